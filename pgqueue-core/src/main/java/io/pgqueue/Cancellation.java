package io.pgqueue;

/**
 * What became of a message that was to be cancelled.
 */
public enum Cancellation {

	/**
	 * Nobody had claimed the message, and nobody will: it is never handled, provided that
	 * the surrounding transaction commits.
	 */
	CANCELLED,

	/**
	 * A worker has the message in hand, and handles it now or in a moment. If the queue
	 * has several subscriptions, those that had not claimed it will not get it.
	 */
	CLAIMED,

	/**
	 * There is nothing to cancel: the message was handled, is a dead letter, has expired,
	 * was cancelled before, or never existed in this queue.
	 */
	UNKNOWN

}
