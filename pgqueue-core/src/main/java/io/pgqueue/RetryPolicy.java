package io.pgqueue;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.handler.invocation.MethodArgumentResolutionException;

/**
 * Decides what happens to a message whose handler failed: another attempt after an
 * exponentially growing delay, or a dead letter after the last one. A payload or argument
 * that cannot be converted will not be convertible later: it is a dead letter at once.
 *
 * @param maxAttempts deliveries before a message becomes a dead letter, at least 1
 * @param initial delay before the second delivery
 * @param multiplier factor from one delay to the next, at least 1
 * @param max longest delay, before jitter
 * @param jitter share of the delay that is random, from 0 to 1: 0.2 spreads a delay of 10
 * s over 8 s to 12 s
 */
public record RetryPolicy(int maxAttempts, Duration initial, double multiplier, Duration max, double jitter) {

	/**
	 * 5 attempts, 1 s doubling up to 5 min, with 20 % jitter.
	 */
	public static final RetryPolicy DEFAULT = new RetryPolicy(5, Duration.ofSeconds(1), 2, Duration.ofMinutes(5), 0.2);

	public RetryPolicy {
		initial = Durations.limited(initial);
		max = Durations.limited(max);
		require(maxAttempts >= 1, "max-attempts", maxAttempts, "at least 1");
		require(!initial.isNegative(), "initial", initial, "zero or longer");
		require(multiplier >= 1 && Double.isFinite(multiplier), "multiplier", multiplier, "at least 1");
		require(max.compareTo(initial) >= 0, "max", max, "at least the initial delay");
		require(jitter >= 0 && jitter <= 1, "jitter", jitter, "from 0 to 1");
	}

	/**
	 * Decides about a failed delivery.
	 * @param attempt number of the delivery that failed, starting at 1
	 * @param failure what the handler threw
	 * @return a retry or a dead letter
	 */
	public Verdict decide(int attempt, Throwable failure) {
		if (failure instanceof MessageConversionException || failure instanceof MethodArgumentResolutionException) {
			return new Verdict.DeadLetter("cannot be converted");
		}
		if (attempt >= this.maxAttempts) {
			return new Verdict.DeadLetter("attempt " + attempt + " of " + this.maxAttempts + " failed");
		}
		return new Verdict.Retry(delay(attempt), true);
	}

	private Duration delay(int attempt) {
		double millis = Math.min(this.initial.toMillis() * Math.pow(this.multiplier, attempt - 1), this.max.toMillis());
		double spread = (this.jitter == 0) ? 0 : ThreadLocalRandom.current().nextDouble(-this.jitter, this.jitter);
		return Duration.ofMillis(Math.round(millis * (1 + spread)));
	}

	private static void require(boolean condition, String name, Object value, String allowed) {
		if (!condition) {
			throw new InvalidConfigurationException(
					"Invalid retry policy: " + name + " is " + value + ", but must be " + allowed);
		}
	}

}
