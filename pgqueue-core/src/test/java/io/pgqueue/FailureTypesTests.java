package io.pgqueue;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.UndeclaredThrowableException;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import org.springframework.messaging.converter.MessageConversionException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * What a {@link RetryPolicy} makes of the type of a failure.
 */
class FailureTypesTests {

	private static final RetryPolicy POLICY = RetryPolicy.DEFAULT;

	private static final Verdict NOT_RETRYABLE = new Verdict.DeadLetter("not retryable");

	@Test
	void aFatalFailureIsADeadLetterAtTheFirstAttempt() {
		RetryPolicy policy = POLICY.withFatal(IOException.class);
		assertThat(policy.decide(1, new IOException("x"))).isEqualTo(NOT_RETRYABLE);
		assertThat(policy.decide(1, new FileNotFoundException("x"))).as("a subclass").isEqualTo(NOT_RETRYABLE);
		assertThat(policy.decide(1, new IllegalStateException("x"))).isInstanceOf(Verdict.Retry.class);
		assertThat(policy.decide(1, new Exception("x"))).as("a superclass").isInstanceOf(Verdict.Retry.class);
	}

	@Test
	void aFatalFailureIsFoundThroughCauses() {
		RetryPolicy policy = POLICY.withFatal(FileNotFoundException.class);
		Exception wrapped = new ExecutionException(new UncheckedIOException(new FileNotFoundException("x")));
		assertThat(policy.decide(1, wrapped)).isEqualTo(NOT_RETRYABLE);
	}

	@Test
	void ifThereAreRetryableTypesEverythingElseIsFatal() {
		RetryPolicy policy = POLICY.withRetryable(IOException.class, InterruptedException.class);
		assertThat(policy.decide(1, new FileNotFoundException("x"))).isInstanceOf(Verdict.Retry.class);
		assertThat(policy.decide(1, new InterruptedException())).isInstanceOf(Verdict.Retry.class);
		assertThat(policy.decide(1, new UncheckedIOException(new IOException("x")))).isInstanceOf(Verdict.Retry.class);
		assertThat(policy.decide(1, new IllegalStateException("x"))).isEqualTo(NOT_RETRYABLE);
		assertThat(policy.decide(1, new StackOverflowError())).isEqualTo(NOT_RETRYABLE);
		assertThat(policy.decide(5, new IOException("x"))).isInstanceOf(Verdict.DeadLetter.class);
	}

	@Test
	void whatIsRetryableAndFatalIsFatal() {
		RetryPolicy policy = POLICY.withRetryable(IOException.class).withFatal(FileNotFoundException.class);
		assertThat(policy.decide(1, new IOException("x"))).isInstanceOf(Verdict.Retry.class);
		assertThat(policy.decide(1, new FileNotFoundException("x"))).isEqualTo(NOT_RETRYABLE);
	}

	@Test
	void causesInACircleAreSurvived() {
		Exception outer = new IllegalStateException("outer");
		outer.initCause(new IllegalArgumentException("inner", outer));
		assertThat(POLICY.decide(1, outer)).isInstanceOf(Verdict.Retry.class);
		assertThat(POLICY.withFatal(IOException.class).decide(1, outer)).isInstanceOf(Verdict.Retry.class);
		assertThat(POLICY.withFatal(IllegalArgumentException.class).decide(1, outer)).isEqualTo(NOT_RETRYABLE);
		assertThat(POLICY.withRetryable(IOException.class).decide(1, outer)).isEqualTo(NOT_RETRYABLE);
	}

	@Test
	void aFailureThatThrowsWhenItIsAskedForItsCauseIsSurvived() {
		assertThat(POLICY.withFatal(IOException.class).decide(1, new Unspeakable())).isInstanceOf(Verdict.Retry.class);
	}

	@Test
	void endlessCausesAreSurvived() {
		assertThat(POLICY.withFatal(IOException.class).decide(1, new Endless())).isInstanceOf(Verdict.Retry.class);
	}

	@ParameterizedTest
	@MethodSource("wrappings")
	void theWishOfTheHandlerIsFoundThroughCauses(UnaryWrapping wrapping) {
		Throwable later = wrapping.wrap(new RetryLaterException(Duration.ofHours(3)));
		assertThat(POLICY.decide(1, later)).isEqualTo(new Verdict.Retry(Duration.ofHours(3), true));
		Throwable dead = wrapping.wrap(new DeadLetterException("the order is gone"));
		assertThat(POLICY.decide(1, dead)).isEqualTo(new Verdict.DeadLetter("the order is gone"));
	}

	static Stream<UnaryWrapping> wrappings() {
		return Stream.of((failure) -> failure, UndeclaredThrowableException::new, ExecutionException::new,
				InvocationTargetException::new,
				(failure) -> new CompletionException(new InvocationTargetException(new Error(failure))));
	}

	@Test
	void theOutermostWishCounts() {
		assertThat(POLICY.decide(1,
				new RetryLaterException(Duration.ofSeconds(7), false, new DeadLetterException("no longer"))))
			.isEqualTo(new Verdict.Retry(Duration.ofSeconds(7), false));
		assertThat(POLICY.decide(1, new DeadLetterException("enough", new RetryLaterException(Duration.ZERO))))
			.isEqualTo(new Verdict.DeadLetter("enough"));
	}

	@Test
	void theWishOfTheHandlerComesBeforeTheTypesOfThePolicy() {
		RetryPolicy policy = POLICY.withFatal(Throwable.class);
		assertThat(policy.decide(1, new RetryLaterException(Duration.ZERO, true, new IOException("x"))))
			.isEqualTo(new Verdict.Retry(Duration.ZERO, true));
		assertThat(POLICY.withRetryable(Throwable.class).decide(1, new DeadLetterException("enough")))
			.isEqualTo(new Verdict.DeadLetter("enough"));
	}

	@Test
	void aRetryThatCountsIsLimitedByTheAttemptsAndOneThatDoesNotIsNot() {
		assertThat(POLICY.decide(4, new RetryLaterException(Duration.ZERO))).isInstanceOf(Verdict.Retry.class);
		assertThat(POLICY.decide(5, new RetryLaterException(Duration.ZERO)))
			.isEqualTo(new Verdict.DeadLetter("attempt 5 of 5 failed"));
		assertThat(POLICY.decide(5, new RetryLaterException(Duration.ZERO, false)))
			.isEqualTo(new Verdict.Retry(Duration.ZERO, false));
	}

	@Test
	void delaysOfAHandlerAreCutToWhatCanBeStored() {
		assertThat(POLICY.decide(1, new RetryLaterException(Duration.ofSeconds(-5))))
			.isEqualTo(new Verdict.Retry(Duration.ZERO, true));
		Verdict.Retry far = (Verdict.Retry) POLICY.decide(1,
				new RetryLaterException(Duration.ofSeconds(Long.MAX_VALUE)));
		assertThat(far.delay().toMillis()).isPositive();
	}

	@Test
	void noTypeHelpsAPayloadThatCannotBeConverted() {
		assertThat(POLICY.withRetryable(MessageConversionException.class)
			.decide(1, new MessageConversionException("no JSON"))).isInstanceOf(Verdict.DeadLetter.class);
	}

	@Test
	@SuppressWarnings({ "unchecked", "rawtypes" })
	void aTypeThatCannotBeThrownIsRefusedByName() {
		Set<Class<? extends Throwable>> types = new LinkedHashSet<>((Set) Set.of(String.class));
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> new RetryPolicy(5, Duration.ZERO, 1, Duration.ZERO, 0, Set.of(), types))
			.withMessageContaining("fatal is java.lang.String, but must be types of exceptions");
	}

	@Test
	void aThousandSimultaneousFailuresAreSpread() {
		List<Long> delays = IntStream.range(0, 1_000)
			.mapToObj((i) -> ((Verdict.Retry) POLICY.decide(3, new IllegalStateException("x"))).delay().toMillis())
			.toList();
		long[] perSlot = new long[8];
		delays.forEach((delay) -> perSlot[(int) Math.min((delay - 3_200) / 200, 7)]++);
		assertThat(delays).allMatch((delay) -> delay >= 3_200 && delay <= 4_800);
		assertThat(Arrays.stream(perSlot).boxed()).as("failures per slot of 200 ms; 125 expected")
			.allMatch((count) -> count > 60 && count < 200);
	}

	/**
	 * Puts a failure into another one.
	 */
	interface UnaryWrapping {

		Throwable wrap(Throwable failure);

	}

	private static final class Unspeakable extends RuntimeException {

		@Override
		public synchronized Throwable getCause() {
			throw new IllegalStateException("no cause for you");
		}

	}

	private static final class Endless extends RuntimeException {

		@Override
		public synchronized Throwable getCause() {
			return new Endless();
		}

	}

}
