package io.pgqueue;

import org.jspecify.annotations.Nullable;

/**
 * Thrown at start when the database schema is missing or incomplete, or the database is
 * not one that this library works with.
 */
public class SchemaException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public SchemaException(String message) {
		super(message);
	}

	/**
	 * Creates an exception with a cause.
	 * @param message what happened, with which value, and what to do
	 * @param cause the cause, or {@code null}
	 */
	public SchemaException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
