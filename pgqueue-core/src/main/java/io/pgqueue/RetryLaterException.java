package io.pgqueue;

import java.time.Duration;
import java.util.Objects;

import org.jspecify.annotations.Nullable;

/**
 * Thrown by a handler that wants its message again after a time of its own choice: a
 * remote system says when it is back, a record is not there yet. Found through the causes
 * of what the handler throws, so it may be wrapped.
 */
public class RetryLaterException extends PgQueueException {

	private final Duration delay;

	private final boolean counted;

	/**
	 * Asks for another delivery. This one counts as an attempt: after the last attempt
	 * that {@link RetryPolicy#maxAttempts()} allows the message is a dead letter.
	 * @param delay how long to wait; zero or negative means at once
	 */
	public RetryLaterException(Duration delay) {
		this(delay, true);
	}

	/**
	 * Asks for another delivery.
	 * @param delay how long to wait; zero or negative means at once
	 * @param counted whether this delivery counts as an attempt; if not, the message may
	 * be put off any number of times
	 */
	public RetryLaterException(Duration delay, boolean counted) {
		this(delay, counted, null);
	}

	/**
	 * Asks for another delivery because of a failure.
	 * @param delay how long to wait; zero or negative means at once
	 * @param counted whether this delivery counts as an attempt; if not, the message may
	 * be put off any number of times
	 * @param cause why, or {@code null}
	 */
	public RetryLaterException(Duration delay, boolean counted, @Nullable Throwable cause) {
		super("To be delivered again in " + delay, cause);
		this.delay = Objects.requireNonNull(delay, "delay");
		this.counted = counted;
	}

	/**
	 * Returns how long to wait.
	 * @return the delay; zero or negative means at once
	 */
	public final Duration delay() {
		return this.delay;
	}

	/**
	 * Tells whether the delivery counts as an attempt.
	 * @return whether it does
	 */
	public final boolean counted() {
		return this.counted;
	}

}
