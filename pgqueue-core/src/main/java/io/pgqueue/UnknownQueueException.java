package io.pgqueue;

import org.jspecify.annotations.Nullable;

/**
 * Thrown when a queue is named that was never declared, or a subscription that the queue
 * does not have. The message names the nearest match.
 */
public class UnknownQueueException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public UnknownQueueException(String message) {
		super(message);
	}

	/**
	 * Creates an exception with a cause.
	 * @param message what happened, with which value, and what to do
	 * @param cause the cause, or {@code null}
	 */
	public UnknownQueueException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
