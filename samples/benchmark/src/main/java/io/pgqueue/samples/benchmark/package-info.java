/**
 * The command: options, the order of the runs, the report.
 */
@NullMarked
package io.pgqueue.samples.benchmark;

import org.jspecify.annotations.NullMarked;
