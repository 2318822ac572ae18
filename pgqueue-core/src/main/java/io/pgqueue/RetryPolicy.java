package io.pgqueue;

import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

import org.jspecify.annotations.Nullable;

import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.handler.invocation.MethodArgumentResolutionException;

/**
 * Decides what happens to a message whose handler failed: another attempt after an
 * exponentially growing delay, or a dead letter after the last one. Set with
 * {@code pgqueue.retry} for all listeners, with {@code pgqueue.queues.<name>.retry} for
 * those of a queue, and with a bean that {@code @QueueListener(retryPolicy)} names for
 * one.
 * <p>
 * A handler may have its own way with {@link RetryLaterException} and
 * {@link DeadLetterException}. A payload or argument that cannot be converted will not be
 * convertible later: it is a dead letter at once. All of these are found through the
 * causes of what was thrown, and so are the types listed here.
 *
 * @param maxAttempts deliveries before a message becomes a dead letter, at least 1
 * @param initial delay before the second delivery
 * @param multiplier factor from one delay to the next, at least 1
 * @param max longest delay, before jitter
 * @param jitter share of the delay that is random, from 0 to 1: 0.2 spreads a delay of 10
 * s over 8 s to 12 s
 * @param retryable types of exceptions that another attempt may help; if there are any,
 * everything else is a dead letter at once
 * @param fatal types of exceptions that make a dead letter at once, even if they are
 * retryable too
 */
public record RetryPolicy(int maxAttempts, Duration initial, double multiplier, Duration max, double jitter,
		Set<Class<? extends Throwable>> retryable, Set<Class<? extends Throwable>> fatal) {

	/**
	 * 5 attempts, 1 s doubling up to 5 min, with 20 % jitter.
	 */
	public static final RetryPolicy DEFAULT = new RetryPolicy(5, Duration.ofSeconds(1), 2, Duration.ofMinutes(5), 0.2);

	public RetryPolicy {
		initial = Durations.limited(initial);
		max = Durations.limited(max);
		retryable = requireThrowables("retryable", retryable);
		fatal = requireThrowables("fatal", fatal);
		require(maxAttempts >= 1, "max-attempts", maxAttempts, "at least 1");
		require(!initial.isNegative(), "initial", initial, "zero or longer");
		require(multiplier >= 1 && Double.isFinite(multiplier), "multiplier", multiplier, "at least 1");
		require(max.compareTo(initial) >= 0, "max", max, "at least the initial delay");
		require(jitter >= 0 && jitter <= 1, "jitter", jitter, "from 0 to 1");
	}

	/**
	 * Creates a policy that retries whatever is thrown.
	 * @param maxAttempts deliveries before a message becomes a dead letter, at least 1
	 * @param initial delay before the second delivery
	 * @param multiplier factor from one delay to the next, at least 1
	 * @param max longest delay, before jitter
	 * @param jitter share of the delay that is random, from 0 to 1
	 */
	public RetryPolicy(int maxAttempts, Duration initial, double multiplier, Duration max, double jitter) {
		this(maxAttempts, initial, multiplier, max, jitter, Set.of(), Set.of());
	}

	/**
	 * Returns this policy with other types that another attempt may help.
	 * @param types types of exceptions; none for all
	 * @return a new policy
	 */
	@SafeVarargs
	public final RetryPolicy withRetryable(Class<? extends Throwable>... types) {
		return new RetryPolicy(this.maxAttempts, this.initial, this.multiplier, this.max, this.jitter,
				new LinkedHashSet<>(List.of(types)), this.fatal);
	}

	/**
	 * Returns this policy with other types that make a dead letter at once.
	 * @param types types of exceptions
	 * @return a new policy
	 */
	@SafeVarargs
	public final RetryPolicy withFatal(Class<? extends Throwable>... types) {
		return new RetryPolicy(this.maxAttempts, this.initial, this.multiplier, this.max, this.jitter, this.retryable,
				new LinkedHashSet<>(List.of(types)));
	}

	/**
	 * Decides about a failed delivery.
	 * @param attempt number of the delivery that failed, starting at 1
	 * @param failure what the handler threw
	 * @return a retry or a dead letter
	 */
	public Verdict decide(int attempt, Throwable failure) {
		List<Throwable> causes = Causes.of(failure);
		Verdict wanted = wanted(causes);
		if (wanted != null) {
			return limit(attempt, wanted);
		}
		if (failure instanceof MessageConversionException || failure instanceof MethodArgumentResolutionException) {
			return new Verdict.DeadLetter("cannot be converted");
		}
		if (matches(causes, this.fatal) || (!this.retryable.isEmpty() && !matches(causes, this.retryable))) {
			return new Verdict.DeadLetter("not retryable");
		}
		return limit(attempt, new Verdict.Retry(delay(attempt), true));
	}

	/**
	 * Makes a dead letter of a retry that counts after the last attempt. For the library,
	 * which applies it to the verdicts of a {@link QueueErrorHandler}.
	 * @param attempt number of the delivery that failed, starting at 1
	 * @param verdict any verdict
	 * @return the verdict, or a dead letter
	 */
	public Verdict limit(int attempt, Verdict verdict) {
		boolean spent = verdict instanceof Verdict.Retry retry && retry.counted() && attempt >= this.maxAttempts;
		return spent ? new Verdict.DeadLetter("attempt " + attempt + " of " + this.maxAttempts + " failed") : verdict;
	}

	private static @Nullable Verdict wanted(List<Throwable> causes) {
		for (Throwable cause : causes) {
			if (cause instanceof DeadLetterException dead) {
				return new Verdict.DeadLetter(dead.reason());
			}
			if (cause instanceof RetryLaterException later) {
				return new Verdict.Retry(later.delay(), later.counted());
			}
		}
		return null;
	}

	private static boolean matches(List<Throwable> causes, Collection<Class<? extends Throwable>> types) {
		return types.stream().anyMatch((type) -> causes.stream().anyMatch(type::isInstance));
	}

	private Duration delay(int attempt) {
		double millis = Math.min(this.initial.toMillis() * Math.pow(this.multiplier, attempt - 1), this.max.toMillis());
		double spread = (this.jitter == 0) ? 0 : ThreadLocalRandom.current().nextDouble(-this.jitter, this.jitter);
		return Duration.ofMillis(Math.round(millis * (1 + spread)));
	}

	// Names in properties become classes of any kind, whatever the type of the set says.
	private static Set<Class<? extends Throwable>> requireThrowables(String name,
			Set<Class<? extends Throwable>> types) {
		for (Class<?> type : types) {
			require(Throwable.class.isAssignableFrom(type), name, type.getName(), "types of exceptions");
		}
		return Set.copyOf(types);
	}

	private static void require(boolean condition, String name, Object value, String allowed) {
		if (!condition) {
			throw new InvalidConfigurationException(
					"Invalid retry policy: " + name + " is " + value + ", but must be " + allowed);
		}
	}

}
