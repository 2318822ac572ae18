package io.pgqueue;

/**
 * The failure of a delivery whose handler ran longer than the listener's {@code timeout},
 * or that nobody settled in time in {@link AckMode#MANUAL}. The handler was interrupted.
 */
public class HandlerTimeoutException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public HandlerTimeoutException(String message) {
		super(message);
	}

}
