package io.pgqueue;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

import org.jspecify.annotations.Nullable;

/**
 * Options of one send, filled in by the caller's lambda:
 * {@code queues.send("orders", order, (o) -> o.header("tenant", "acme"))}.
 */
public final class SendOptions {

	/**
	 * Nobody means a delay of more than a hundred years.
	 */
	private static final Duration LONGEST = Duration.ofDays(36_500);

	private final Map<String, @Nullable Object> headers = new LinkedHashMap<>();

	private @Nullable Duration delay;

	private @Nullable Instant dueAt;

	private @Nullable Duration timeToLive;

	/**
	 * Sets a header.
	 * @param name name of the header; must not begin with {@link QueueHeaders#PREFIX}
	 * @param value a string, number or boolean; {@code null} removes the header
	 * @return these options
	 */
	public SendOptions header(String name, @Nullable Object value) {
		this.headers.put(name, value);
		return this;
	}

	/**
	 * Sets several headers.
	 * @param headers names and values, as for {@link #header(String, Object)}
	 * @return these options
	 */
	public SendOptions headers(Map<String, ?> headers) {
		this.headers.putAll(headers);
		return this;
	}

	/**
	 * Sets the logical type of the payload, which chooses a {@code @QueueHandler} method
	 * where a queue carries several types. Stored as the header
	 * {@value QueueHeaders#TYPE}.
	 * @param type a name that sender and handler agree on, such as {@code order-placed};
	 * not the name of a class, which would not survive a refactoring
	 * @return these options
	 */
	public SendOptions type(String type) {
		return header(QueueHeaders.TYPE, type);
	}

	/**
	 * Returns the headers set so far, for the template that sends.
	 * @return names and values
	 */
	public Map<String, @Nullable Object> headers() {
		return this.headers;
	}

	/**
	 * Sets how long the message waits before it may be handled, counted by the clock of
	 * the database from the send. It is never handled earlier.
	 * @param delay zero means at once; at most a hundred years
	 * @return these options
	 * @throws InvalidMessageException if the delay is null, negative or too long, or if
	 * {@link #at(Instant)} was called
	 */
	public SendOptions delay(Duration delay) {
		if (delay == null || delay.isNegative() || delay.compareTo(LONGEST) > 0) {
			throw new InvalidMessageException(
					"The delay is " + delay + ", but must be from zero to a hundred years (" + LONGEST + ")");
		}
		requireOne(this.dueAt);
		this.delay = delay;
		return this;
	}

	/**
	 * Sets when the message may be handled at the earliest, by the clock of the database.
	 * @param dueAt a time that has passed means at once; at most a hundred years ahead
	 * @return these options
	 * @throws InvalidMessageException if the time is null or too far ahead, or if
	 * {@link #delay(Duration)} was called
	 */
	public SendOptions at(Instant dueAt) {
		if (dueAt == null || dueAt.isAfter(Instant.now().plus(LONGEST))) {
			throw new InvalidMessageException(
					"The due time is " + dueAt + ", but must be at most a hundred years ahead");
		}
		requireOne(this.delay);
		this.dueAt = dueAt;
		return this;
	}

	/**
	 * Sets how long the message lives, counted by the clock of the database from the
	 * send, also if it is delayed. Once that time is over, nobody gets it any more, be it
	 * the first delivery or a later one; what began to be handled before is not
	 * disturbed.
	 * @param timeToLive longer than zero; more than a hundred years means a hundred years
	 * @return these options
	 * @throws InvalidMessageException if the time is null, zero or negative
	 */
	public SendOptions timeToLive(Duration timeToLive) {
		if (timeToLive == null || timeToLive.isNegative() || timeToLive.isZero()) {
			throw new InvalidMessageException("The time to live is " + timeToLive + ", but must be longer than zero");
		}
		this.timeToLive = Durations.limited(timeToLive);
		return this;
	}

	private static void requireOne(@Nullable Object other) {
		if (other != null) {
			throw new InvalidMessageException("A message has either a delay or a due time, but both were set");
		}
	}

	/**
	 * Returns how long the message waits, for the template that sends.
	 * @return the delay, or null if none was set
	 */
	public @Nullable Duration delay() {
		return this.delay;
	}

	/**
	 * Returns when the message is due, for the template that sends.
	 * @return the time, or null if none was set
	 */
	public @Nullable Instant dueAt() {
		return this.dueAt;
	}

	/**
	 * Returns how long the message lives, for the template that sends.
	 * @return the time, or null if it lives for ever
	 */
	public @Nullable Duration timeToLive() {
		return this.timeToLive;
	}

}
