package io.pgqueue.client;

import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.SendOptions;
import io.pgqueue.engine.MessageLog.Timing;
import org.jspecify.annotations.Nullable;

/**
 * Turns the times of a send's options into what the engine counts in: microseconds,
 * rounded up, so that nothing is handled early.
 */
final class Timings {

	private Timings() {
	}

	/**
	 * Returns when a message is due and how long it lives, or null if it is an ordinary
	 * one.
	 */
	static @Nullable Timing of(SendOptions options) {
		Duration delay = options.delay();
		Instant dueAt = options.dueAt();
		Duration timeToLive = options.timeToLive();
		if (delay == null && dueAt == null && timeToLive == null) {
			return null;
		}
		requireDueBeforeExpiry(delay, dueAt, timeToLive);
		return new Timing((dueAt != null) ? time(dueAt) : null, (delay != null) ? micros(delay) : null,
				(timeToLive != null) ? micros(timeToLive) : null);
	}

	private static void requireDueBeforeExpiry(@Nullable Duration delay, @Nullable Instant dueAt,
			@Nullable Duration timeToLive) {
		if (timeToLive == null) {
			return;
		}
		if (delay != null && timeToLive.compareTo(delay) <= 0) {
			throw new InvalidMessageException("The time to live is " + timeToLive + " and the delay " + delay
					+ ": the message would expire before it is due, because both count from the send");
		}
		if (dueAt != null && !Instant.now().plus(timeToLive).isAfter(dueAt)) {
			throw new InvalidMessageException("The time to live is " + timeToLive + " and the message is due at "
					+ dueAt + ": it would expire before it is due, because it lives from the send on");
		}
	}

	/**
	 * Times before 1970 have passed by any clock, and some of them the database does not
	 * know.
	 */
	private static OffsetDateTime time(Instant dueAt) {
		Instant known = dueAt.isAfter(Instant.EPOCH) ? dueAt : Instant.EPOCH;
		Instant truncated = known.truncatedTo(ChronoUnit.MICROS);
		Instant rounded = truncated.equals(known) ? known : truncated.plus(1, ChronoUnit.MICROS);
		return rounded.atOffset(ZoneOffset.UTC);
	}

	private static long micros(Duration duration) {
		return duration.plusNanos(999).toNanos() / 1_000;
	}

}
