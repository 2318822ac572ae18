package io.pgqueue;

import java.time.Duration;

/**
 * What happens to a message after a delivery. Applications return one from a
 * {@link QueueErrorHandler}.
 */
public sealed interface Verdict {

	/**
	 * The message is done and goes away.
	 */
	record Complete() implements Verdict {
	}

	/**
	 * The message is delivered again.
	 *
	 * @param delay how long to wait; zero or negative means at once
	 * @param counted whether the delivery counts as an attempt
	 */
	record Retry(Duration delay, boolean counted) implements Verdict {

		public Retry {
			delay = delay.isNegative() ? Duration.ZERO : Durations.limited(delay);
		}

	}

	/**
	 * The message is given up and kept as a dead letter.
	 *
	 * @param reason why, in a few words
	 */
	record DeadLetter(String reason) implements Verdict {
	}

}
