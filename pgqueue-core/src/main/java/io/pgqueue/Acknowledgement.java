package io.pgqueue;

import java.time.Duration;

/**
 * Settles one delivery, or the batch of a batch handler, in {@link AckMode#MANUAL}: a
 * handler takes one as an argument. It may be used after the handler has returned and
 * from any thread, but only until the listener's {@code timeout}; then the delivery
 * counts as failed. The first decision counts.
 * <p>
 * Called inside a transaction on the queue's DataSource, {@link #acknowledge()} commits
 * with that transaction, and a lost lease rolls it back.
 */
public interface Acknowledgement {

	/**
	 * Acknowledges the delivery: the message is done.
	 * @throws IllegalStateException if the delivery was settled before, or its time is
	 * over
	 * @throws LeaseLostException inside a transaction, when that commits, if the message
	 * has been taken from this process
	 */
	void acknowledge();

	/**
	 * Gives the message back to be delivered again. Does not count as an attempt.
	 * @param delay how long to wait; zero means at once
	 * @throws IllegalStateException if the delivery was settled before, or its time is
	 * over
	 */
	void release(Duration delay);

	/**
	 * Makes a dead letter of the message.
	 * @param reason why, in a few words
	 * @throws IllegalStateException if the delivery was settled before, or its time is
	 * over
	 */
	void reject(String reason);

	/**
	 * Allows the delivery more time before it counts as failed, starting now.
	 * @param time how long, instead of the listener's {@code timeout}
	 * @throws IllegalStateException if the delivery was settled before, or its time is
	 * over
	 */
	void extend(Duration time);

}
