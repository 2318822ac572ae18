/**
 * What is measured and how: throughput, latency, CPU time, WAL, dead rows, heap.
 */
@NullMarked
package io.pgqueue.samples.benchmark.measure;

import org.jspecify.annotations.NullMarked;
