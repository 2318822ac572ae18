package io.pgqueue;

import java.util.Objects;

import org.jspecify.annotations.Nullable;

/**
 * Thrown by a handler that knows that its message can never be handled: it becomes a dead
 * letter at once, whatever the {@link RetryPolicy} says. Found through the causes of what
 * the handler throws, so it may be wrapped.
 */
public class DeadLetterException extends PgQueueException {

	private final String reason;

	/**
	 * Gives a message up.
	 * @param reason why, for the people who look at dead letters; it is logged, so no
	 * secrets
	 */
	public DeadLetterException(String reason) {
		this(reason, null);
	}

	/**
	 * Gives a message up because of a failure.
	 * @param reason why, for the people who look at dead letters; it is logged, so no
	 * secrets
	 * @param cause the failure, or {@code null}
	 */
	public DeadLetterException(String reason, @Nullable Throwable cause) {
		super(reason, cause);
		this.reason = Objects.requireNonNull(reason, "reason");
	}

	/**
	 * Returns why the message was given up.
	 * @return the reason
	 */
	public final String reason() {
		return this.reason;
	}

}
