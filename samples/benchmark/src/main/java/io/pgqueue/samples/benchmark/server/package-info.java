/**
 * The PostgreSQL that everything runs on.
 */
@NullMarked
package io.pgqueue.samples.benchmark.server;

import org.jspecify.annotations.NullMarked;
