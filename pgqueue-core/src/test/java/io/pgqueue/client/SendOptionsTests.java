package io.pgqueue.client;

import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.SendOptions;
import io.pgqueue.engine.MessageLog.Timing;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class SendOptionsTests {

	@ParameterizedTest
	@MethodSource("mistakes")
	void timesThatMakeNoSenseAreRefusedWithASentence(Consumer<SendOptions> options, String sentence) {
		assertThatExceptionOfType(InvalidMessageException.class).isThrownBy(() -> timing(options))
			.withMessageContaining(sentence);
	}

	static Stream<Arguments> mistakes() {
		return Stream.of(
				refused((options) -> options.delay(Duration.ofMillis(-1)), "The delay is PT-0.001S, but must be"),
				refused((options) -> options.delay(null), "The delay is null"),
				refused((options) -> options.delay(Duration.ofDays(36_501)), "a hundred years"),
				refused((options) -> options.delay(ChronoUnit.FOREVER.getDuration()), "a hundred years"),
				refused((options) -> options.at(null), "The due time is null"),
				refused((options) -> options
					.at(OffsetDateTime.of(300_000, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC).toInstant()),
						"The due time is +300000-01-01T00:00:00Z, but must be at most a hundred years ahead"),
				refused((options) -> options.at(Instant.MAX), "a hundred years ahead"),
				refused((options) -> options.timeToLive(Duration.ZERO), "The time to live is PT0S, but must be longer"),
				refused((options) -> options.timeToLive(Duration.ofSeconds(-1)), "The time to live is PT-1S"),
				refused((options) -> options.timeToLive(null), "The time to live is null"),
				refused((options) -> options.delay(Duration.ofHours(1)).at(Instant.now()), "but both were set"),
				refused((options) -> options.at(Instant.now()).delay(Duration.ZERO), "but both were set"),
				refused((options) -> options.delay(Duration.ofHours(1)).timeToLive(Duration.ofMinutes(59)),
						"The time to live is PT59M and the delay PT1H: the message would expire before it is due"),
				refused((options) -> options.timeToLive(Duration.ofHours(1)).delay(Duration.ofHours(1)),
						"would expire before it is due"),
				refused((options) -> options.at(Instant.now().plusSeconds(60)).timeToLive(Duration.ofSeconds(50)),
						"would expire before it is due"));
	}

	private static Arguments refused(Consumer<SendOptions> options, String sentence) {
		return Arguments.of(options, sentence);
	}

	@Test
	void withoutTimesAMessageIsAnOrdinaryOne() {
		assertThat(timing((options) -> options.header("a", "b"))).isNull();
	}

	@Test
	void timesAreRoundedUpSoThatNothingIsEarly() {
		assertThat(timing((options) -> options.delay(Duration.ofNanos(1)))).isEqualTo(new Timing(null, 1L, null));
		assertThat(timing((options) -> options.delay(Duration.ofNanos(2_000)))).isEqualTo(new Timing(null, 2L, null));
		assertThat(timing((options) -> options.timeToLive(Duration.ofNanos(1)))).isEqualTo(new Timing(null, null, 1L));
		Instant due = Instant.parse("2030-01-01T00:00:00.000000001Z");
		assertThat(timing((options) -> options.at(due)).dueAt())
			.isEqualTo(OffsetDateTime.parse("2030-01-01T00:00:00.000001Z"));
		Instant exact = Instant.parse("2030-01-01T00:00:00.000001Z");
		assertThat(timing((options) -> options.at(exact)).dueAt().toInstant()).isEqualTo(exact);
	}

	@Test
	void theLongestTimesPassAndTheOldestMeanNow() {
		assertThat(timing((options) -> options.delay(Duration.ofDays(36_500))).delayMicros())
			.isEqualTo(36_500L * 86_400 * 1_000_000);
		assertThat(timing((options) -> options.timeToLive(ChronoUnit.FOREVER.getDuration())).timeToLiveMicros())
			.isEqualTo(36_500L * 86_400 * 1_000_000);
		assertThat(timing((options) -> options.at(Instant.MIN)).dueAt())
			.isEqualTo(OffsetDateTime.parse("1970-01-01T00:00Z"));
		assertThat(timing((options) -> options.at(Instant.now().minusSeconds(9)).timeToLive(Duration.ofSeconds(1))))
			.isNotNull();
	}

	private static Timing timing(Consumer<SendOptions> setter) {
		SendOptions options = new SendOptions();
		setter.accept(options);
		return Timings.of(options);
	}

}
