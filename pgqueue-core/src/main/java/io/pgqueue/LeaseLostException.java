package io.pgqueue;

/**
 * Thrown inside the transaction of a handler when its messages have been taken from this
 * process, for example because it was paused for longer than the lease timeout: the
 * transaction rolls back, and the other delivery stands.
 */
public class LeaseLostException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public LeaseLostException(String message) {
		super(message);
	}

}
