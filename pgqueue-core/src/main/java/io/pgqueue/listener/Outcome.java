package io.pgqueue.listener;

import io.pgqueue.Verdict;
import org.jspecify.annotations.Nullable;

/**
 * What a delivery ended with.
 *
 * @param delivery the delivery
 * @param verdict what happens to the message
 * @param failure what the handler threw, if it failed
 */
record Outcome(Delivery delivery, Verdict verdict, @Nullable Throwable failure) {
}
