package io.pgqueue;

import org.jspecify.annotations.Nullable;

/**
 * Root of all exceptions of this library. Failures of the database itself surface as
 * Spring's {@link org.springframework.dao.DataAccessException}, as everywhere in Spring.
 */
public class PgQueueException extends RuntimeException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public PgQueueException(String message) {
		super(message);
	}

	/**
	 * Creates an exception with a cause.
	 * @param message what happened, with which value, and what to do
	 * @param cause the cause, or {@code null}
	 */
	public PgQueueException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
