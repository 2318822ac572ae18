/**
 * What the systems are put through.
 */
@NullMarked
package io.pgqueue.samples.benchmark.workload;

import org.jspecify.annotations.NullMarked;
