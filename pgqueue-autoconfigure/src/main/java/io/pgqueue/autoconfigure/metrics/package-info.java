/**
 * Meters of the queues.
 */
@NullMarked
package io.pgqueue.autoconfigure.metrics;

import org.jspecify.annotations.NullMarked;
