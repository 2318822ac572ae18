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
	 * A worker has the message in hand. It is asked, once the surrounding transaction has
	 * committed, to give it up: at once if it runs in this process, else with its next
	 * sign of life. A handler that was not begun is not invoked, one that is at work on
	 * this message alone is interrupted, and if it fails, the message is not delivered
	 * again; one that succeeds nevertheless has handled it. Somebody who received the
	 * message through {@link QueueReceiver} is not asked. If the queue has several
	 * subscriptions, those that had not claimed the message will not get it.
	 */
	CLAIMED,

	/**
	 * There is nothing to cancel: the message was handled, is a dead letter, has expired,
	 * was cancelled before, or never existed in this queue.
	 */
	UNKNOWN

}
