package io.pgqueue;

import java.time.Duration;

/**
 * Limits durations that mean "for ever" to what the clocks of Java can count. Used by the
 * library for what applications configure.
 */
public final class Durations {

	private static final Duration LONGEST = Duration.ofDays(36_500);

	private Durations() {
	}

	/**
	 * Limits a duration to a hundred years.
	 * @param duration any duration
	 * @return the duration, or a hundred years if that is shorter
	 */
	public static Duration limited(Duration duration) {
		return (duration.compareTo(LONGEST) > 0) ? LONGEST : duration;
	}

}
