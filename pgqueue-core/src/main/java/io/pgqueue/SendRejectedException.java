package io.pgqueue;

import org.jspecify.annotations.Nullable;

/**
 * Thrown by a send, or by a cancellation, when the surrounding transaction does not allow
 * it: it is read-only, or there is none and {@code pgqueue.template.outside-transaction}
 * is {@code reject}, or a cancellation is not at READ COMMITTED. Nothing was written.
 */
public class SendRejectedException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public SendRejectedException(String message) {
		super(message);
	}

	/**
	 * Creates an exception with a cause.
	 * @param message what happened, with which value, and what to do
	 * @param cause the cause, or {@code null}
	 */
	public SendRejectedException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
