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

	/**
	 * Tells whether the message is acknowledged together with others of its lease: an
	 * outcome that need not be written before the lease is complete.
	 */
	boolean isPartOfLease() {
		return this.verdict instanceof Verdict.Complete && !this.delivery.message().redelivered();
	}

}
