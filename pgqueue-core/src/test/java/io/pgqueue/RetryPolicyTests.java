package io.pgqueue;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.messaging.converter.MessageConversionException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class RetryPolicyTests {

	private static final RuntimeException FAILURE = new IllegalStateException("failed");

	@Test
	void delaysDoubleUpToTheLongest() {
		RetryPolicy policy = new RetryPolicy(2_000, Duration.ofSeconds(1), 2, Duration.ofMinutes(5), 0);
		List<Long> seconds = IntStream.rangeClosed(1, 20)
			.mapToObj((attempt) -> delay(policy, attempt).toSeconds())
			.toList();
		assertThat(seconds).startsWith(1L, 2L, 4L, 8L, 16L, 32L, 64L, 128L, 256L, 300L);
		assertThat(seconds.subList(9, 20)).containsOnly(300L);
		assertThat(delay(policy, 1_000)).isEqualTo(Duration.ofMinutes(5));
	}

	@ParameterizedTest
	@CsvSource({ "1, 1s", "2, 2s", "3, 4s", "4, 8s", "5, 16s", "6, 32s", "7, 64s", "8, 128s", "9, 256s", "10, 300s",
			"11, 300s", "12, 300s", "13, 300s", "14, 300s", "15, 300s", "16, 300s", "17, 300s", "18, 300s", "19, 300s",
			"20, 300s", "1000, 300s" })
	void theDelayAfterAnAttemptIsThatOfTheDocumentation(int attempt, String delay) {
		RetryPolicy policy = new RetryPolicy(2_000, Duration.ofSeconds(1), 2, Duration.ofMinutes(5), 0);
		assertThat(delay(policy, attempt)).isEqualTo(Duration.parse("PT" + delay));
	}

	@Test
	void aMultiplierOfOneKeepsTheDelay() {
		RetryPolicy policy = new RetryPolicy(2_000, Duration.ofMillis(250), 1, Duration.ofMinutes(5), 0);
		assertThat(delay(policy, 1)).isEqualTo(Duration.ofMillis(250));
		assertThat(delay(policy, 1_000)).isEqualTo(Duration.ofMillis(250));
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2, 20, 62, 63, 64, 65, 1_000, 100_000, Integer.MAX_VALUE - 1 })
	void noAttemptOverflows(int attempt) {
		RetryPolicy policy = new RetryPolicy(Integer.MAX_VALUE, Duration.ofSeconds(1), 1_000, Duration.ofDays(365),
				0.5);
		assertThat(delay(policy, attempt)).isBetween(Duration.ofMillis(500), Duration.ofDays(548));
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2, 20, 1_000 })
	void withoutALongestDelayNothingOverflowsEither(int attempt) {
		Duration forEver = ChronoUnit.FOREVER.getDuration();
		RetryPolicy policy = new RetryPolicy(Integer.MAX_VALUE, Duration.ofSeconds(1), 10, forEver, 1);
		assertThat(delay(policy, attempt)).isGreaterThanOrEqualTo(Duration.ZERO);
	}

	@Test
	void zeroDelaysAreAllowed() {
		RetryPolicy policy = new RetryPolicy(5, Duration.ZERO, 2, Duration.ZERO, 0.2);
		assertThat(delay(policy, 3)).isEqualTo(Duration.ZERO);
	}

	@Test
	void jitterStaysInItsBoundsAndSpreads() {
		RetryPolicy policy = new RetryPolicy(5, Duration.ofSeconds(10), 2, Duration.ofMinutes(5), 0.2);
		List<Duration> delays = IntStream.range(0, 1_000).mapToObj((i) -> delay(policy, 1)).toList();
		assertThat(delays)
			.allSatisfy((delay) -> assertThat(delay).isBetween(Duration.ofMillis(8_000), Duration.ofMillis(12_000)));
		assertThat(Collections.min(delays)).isLessThan(Duration.ofMillis(8_400));
		assertThat(Collections.max(delays)).isGreaterThan(Duration.ofMillis(11_600));
		assertThat(delays.stream().distinct()).hasSizeGreaterThan(500);
	}

	@Test
	void fullJitterIsNeverNegative() {
		RetryPolicy policy = new RetryPolicy(5, Duration.ofMillis(10), 1, Duration.ofMillis(10), 1);
		assertThat(IntStream.range(0, 1_000).mapToObj((i) -> delay(policy, 1)))
			.allSatisfy((delay) -> assertThat(delay).isBetween(Duration.ZERO, Duration.ofMillis(20)));
	}

	@Test
	void retriesAreCountedAttempts() {
		assertThat(RetryPolicy.DEFAULT.decide(1, FAILURE)).isInstanceOfSatisfying(Verdict.Retry.class,
				(retry) -> assertThat(retry.counted()).isTrue());
	}

	@ParameterizedTest
	@CsvSource({ "1, 1", "2, 2", "5, 5", "5, 6", "5, 1000" })
	void theLastAttemptMakesADeadLetter(int maxAttempts, int attempt) {
		RetryPolicy policy = new RetryPolicy(maxAttempts, Duration.ZERO, 1, Duration.ZERO, 0);
		assertThat(policy.decide(attempt, FAILURE))
			.isEqualTo(new Verdict.DeadLetter("attempt " + attempt + " of " + maxAttempts + " failed"));
		if (maxAttempts > 1) {
			assertThat(policy.decide(maxAttempts - 1, FAILURE)).isInstanceOf(Verdict.Retry.class);
		}
	}

	@Test
	void theDefaultIsFiveAttempts() {
		assertThat(RetryPolicy.DEFAULT.decide(4, new Error())).isInstanceOf(Verdict.Retry.class);
		assertThat(RetryPolicy.DEFAULT.decide(5, new Error())).isInstanceOf(Verdict.DeadLetter.class);
	}

	@Test
	void whatCannotBeConvertedIsADeadLetterAtOnce() {
		assertThat(RetryPolicy.DEFAULT.decide(1, new MessageConversionException("no JSON")))
			.isInstanceOf(Verdict.DeadLetter.class);
	}

	@ParameterizedTest
	@CsvSource({ "0, PT1S, 2, PT1M, 0.2, max-attempts is 0", "-1, PT1S, 2, PT1M, 0.2, max-attempts is -1",
			"5, PT-1S, 2, PT1M, 0.2, initial is PT-1S", "5, PT1S, 0.9, PT1M, 0.2, multiplier is 0.9",
			"5, PT1S, NaN, PT1M, 0.2, multiplier is NaN", "5, PT1S, Infinity, PT1M, 0.2, multiplier is Infinity",
			"5, PT1M, 2, PT1S, 0.2, max is PT1S", "5, PT1S, 2, PT1M, -0.1, jitter is -0.1",
			"5, PT1S, 2, PT1M, 1.1, jitter is 1.1", "5, PT1S, 2, PT1M, NaN, jitter is NaN" })
	void valuesOutOfRangeAreRefusedByName(int maxAttempts, Duration initial, double multiplier, Duration max,
			double jitter, String message) {
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> new RetryPolicy(maxAttempts, initial, multiplier, max, jitter))
			.withMessageContaining(message)
			.withMessageContaining("but must be");
	}

	private static Duration delay(RetryPolicy policy, int attempt) {
		return ((Verdict.Retry) policy.decide(attempt, FAILURE)).delay();
	}

}
