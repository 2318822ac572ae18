/**
 * An order desk: orders are placed by HTTP and confirmed by a queue listener.
 */
@NullMarked
package io.pgqueue.samples.quickstart;

import org.jspecify.annotations.NullMarked;
