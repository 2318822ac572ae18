package io.pgqueue.worker;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;

import io.pgqueue.engine.Workers.Holder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

class DeathWatchTests {

	private static final OffsetDateTime BEAT = OffsetDateTime.of(2026, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC);

	private static final Duration TIMEOUT = Duration.ofSeconds(30);

	private static final Duration LONGEST_GAP = Duration.ofSeconds(10);

	private final DeathWatch watch = new DeathWatch(TIMEOUT, LONGEST_GAP);

	@ParameterizedTest
	@ValueSource(longs = { 0, 1, Long.MAX_VALUE - 5_000_000_000L, -5_000_000_000L, Long.MIN_VALUE })
	void aWorkerWhoseSignOfLifeDoesNotChangeDiesAfterTheWholeTimeout(long start) {
		for (int second = 0; second < 30; second += 5) {
			assertThat(look(start, second, holder(1, 0))).isEmpty();
		}
		assertThat(this.watch.look(List.of(holder(1, 0)), start + Duration.ofSeconds(30).toNanos() - 1)).isEmpty();
		assertThat(look(start, 30, holder(1, 0))).containsExactly(holder(1, 0));
	}

	@Test
	void howOldTheSignOfLifeIsByTheDatabasesClockDoesNotMatter() {
		Holder ancient = new Holder(1, BEAT.minusYears(1), false);
		Holder future = new Holder(2, BEAT.plusYears(1), false);
		for (int second = 0; second < 30; second += 5) {
			assertThat(look(0, second, ancient, future)).isEmpty();
		}
		assertThat(look(0, 30, ancient, future)).containsExactly(ancient, future);
	}

	@Test
	void aWorkerWhoseSignOfLifeChangesNeverDies() {
		for (int second = 0; second < 3_600; second += 5) {
			assertThat(look(0, second, holder(1, second / 25))).isEmpty();
		}
	}

	@Test
	void aSignOfLifeThatGoesBackwardsIsOneAllTheSame() {
		for (int second = 0; second < 300; second += 5) {
			assertThat(look(0, second, holder(1, 1_000 - second / 25))).isEmpty();
		}
	}

	@Test
	void anObserverThatWasBlindStartsAnew() {
		for (int second = 0; second <= 25; second += 5) {
			look(0, second, holder(1, 0));
		}
		// The database was away for eleven seconds: everybody's sign of life is old now.
		for (int second = 36; second < 66; second += 5) {
			assertThat(look(0, second, holder(1, 0))).isEmpty();
		}
		assertThat(look(0, 66, holder(1, 0))).containsExactly(holder(1, 0));
	}

	@Test
	void aGapThatIsNoLongerThanAllowedIsNoBlindness() {
		look(0, 0, holder(1, 0));
		look(0, 10, holder(1, 0));
		look(0, 20, holder(1, 0));
		assertThat(look(0, 30, holder(1, 0))).containsExactly(holder(1, 0));
	}

	@Test
	void anObserverThatForgetsStartsAnew() {
		for (int second = 0; second <= 25; second += 5) {
			look(0, second, holder(1, 0));
		}
		this.watch.forget();
		for (int second = 30; second < 60; second += 5) {
			assertThat(look(0, second, holder(1, 0))).isEmpty();
		}
		assertThat(look(0, 60, holder(1, 0))).hasSize(1);
	}

	@Test
	void aWorkerThatHeldNothingInBetweenIsWatchedFromTheStart() {
		look(0, 0, holder(1, 0));
		look(0, 5);
		for (int second = 10; second < 40; second += 5) {
			assertThat(look(0, second, holder(1, 0))).isEmpty();
		}
		assertThat(look(0, 40, holder(1, 0))).hasSize(1);
	}

	@Test
	void workersDieOneByOne() {
		look(0, 0, holder(1, 0));
		for (int second = 5; second < 30; second += 5) {
			assertThat(look(0, second, holder(1, 0), holder(2, 0))).isEmpty();
		}
		assertThat(look(0, 30, holder(1, 0), holder(2, 0))).containsExactly(holder(1, 0));
		assertThat(look(0, 35, holder(2, 0))).containsExactly(holder(2, 0));
	}

	@Test
	void whoCouldNotBeDeclaredDeadIsNamedAgain() {
		for (int second = 0; second < 30; second += 5) {
			look(0, second, holder(1, 0));
		}
		assertThat(look(0, 30, holder(1, 0))).hasSize(1);
		assertThat(look(0, 35, holder(1, 0))).hasSize(1);
	}

	@Test
	void whoIsDeadAlreadyIsNotDeclaredDeadAgain() {
		Holder dead = new Holder(1, BEAT, true);
		for (int second = 0; second <= 60; second += 5) {
			assertThat(look(0, second, dead)).isEmpty();
		}
	}

	@Test
	void theNextLookIsWhenTheFirstWorkerCouldDie() {
		Duration otherwise = Duration.ofSeconds(8);
		assertThat(this.watch.untilNext(0, otherwise)).isEqualTo(otherwise);
		for (int second = 0; second <= 25; second += 5) {
			look(0, second, holder(1, 0));
		}
		assertThat(this.watch.untilNext(seconds(10), otherwise)).isEqualTo(otherwise);
		assertThat(this.watch.untilNext(seconds(25), otherwise)).isEqualTo(Duration.ofSeconds(5));
		assertThat(this.watch.untilNext(seconds(30), otherwise)).as("nobody is waited for who is overdue")
			.isEqualTo(otherwise);
	}

	private List<Holder> look(long start, int second, Holder... holders) {
		return this.watch.look(List.of(holders), start + seconds(second));
	}

	private static long seconds(int seconds) {
		return Duration.ofSeconds(seconds).toNanos();
	}

	private static Holder holder(long worker, int beat) {
		return new Holder(worker, BEAT.plusSeconds(beat), false);
	}

}
