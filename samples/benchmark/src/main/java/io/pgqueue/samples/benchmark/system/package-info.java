/**
 * The systems that are compared, each behind the same interface.
 */
@NullMarked
package io.pgqueue.samples.benchmark.system;

import org.jspecify.annotations.NullMarked;
