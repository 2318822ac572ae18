/**
 * Health of the queues.
 */
@NullMarked
package io.pgqueue.autoconfigure.health;

import org.jspecify.annotations.NullMarked;
