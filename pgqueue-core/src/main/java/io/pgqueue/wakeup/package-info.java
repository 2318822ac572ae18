/**
 * Internal: what the threads of an application tell each other: hints that a queue may
 * hold something new, which correctness never needs, and what the database does not do.
 */
@NullMarked
package io.pgqueue.wakeup;

import org.jspecify.annotations.NullMarked;
