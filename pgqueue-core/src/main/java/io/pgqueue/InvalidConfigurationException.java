package io.pgqueue;

import org.jspecify.annotations.Nullable;

/**
 * Thrown at start when something that was configured cannot work: a queue name, a
 * listener method, a property, the choice of a DataSource.
 */
public class InvalidConfigurationException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 */
	public InvalidConfigurationException(String message) {
		super(message);
	}

	/**
	 * Creates an exception with a cause.
	 * @param message what happened, with which value, and what to do
	 * @param cause the cause, or {@code null}
	 */
	public InvalidConfigurationException(String message, @Nullable Throwable cause) {
		super(message, cause);
	}

}
