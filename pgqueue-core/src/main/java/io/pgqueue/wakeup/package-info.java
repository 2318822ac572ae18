/**
 * Internal: hints that a queue may hold something new; correctness never needs them.
 */
@NullMarked
package io.pgqueue.wakeup;

import org.jspecify.annotations.NullMarked;
