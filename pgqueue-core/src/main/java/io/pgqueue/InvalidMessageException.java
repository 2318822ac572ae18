package io.pgqueue;

import org.jspecify.annotations.Nullable;

/**
 * Thrown by a send when the message cannot be stored: a null payload, one that is too
 * large or cannot be written as JSON, or a header that is not allowed. Nothing was
 * written.
 */
public class InvalidMessageException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public InvalidMessageException(String message) {
		super(message);
	}

	/**
	 * Creates an exception with a cause.
	 * @param message what happened, with which value, and what to do
	 * @param cause the cause, or {@code null}
	 */
	public InvalidMessageException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
