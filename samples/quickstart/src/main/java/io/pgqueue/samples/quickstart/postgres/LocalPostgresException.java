package io.pgqueue.samples.quickstart.postgres;

import org.jspecify.annotations.Nullable;

/**
 * No PostgreSQL to be had.
 */
final class LocalPostgresException extends RuntimeException {

	private final String action;

	/**
	 * Creates an exception.
	 * @param message what is wrong
	 * @param action what to do about it
	 * @param cause the cause, if there is one
	 */
	LocalPostgresException(String message, String action, @Nullable Throwable cause) {
		super(message, cause);
		this.action = action;
	}

	String action() {
		return this.action;
	}

}
