package io.pgqueue.wakeup;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * How long those may sleep who wait, and what ends that.
 */
class WakeUpsTests {

	private static final Duration POLL = Duration.ofSeconds(1);

	private static final Duration SAFETY = Duration.ofSeconds(10);

	private static final Duration LONG = Duration.ofMinutes(90);

	private final WakeUps wakeUps = new WakeUps();

	private final WakeUp orders = new WakeUp();

	private final WakeUp emails = new WakeUp();

	@BeforeEach
	void addWaiters() {
		this.wakeUps.add("orders", 1, 11, this.orders);
		this.wakeUps.add("emails", 2, 12, this.emails);
	}

	@Test
	void withoutNotificationsEverybodyPollsEvenIfTheWorkerLooks() {
		assertThat(pace()).isBetween(POLL.multipliedBy(9).dividedBy(10), POLL);
		looked(Duration.ZERO);
		assertThat(pace()).isLessThanOrEqualTo(POLL);
		assertThat(this.wakeUps.subscriptions()).isEmpty();
	}

	@Test
	void whileNotificationsArriveButTheWorkerHasNotLookedEverybodyPollsMoreRarely() {
		this.wakeUps.setSafetyInterval(SAFETY);
		assertThat(pace()).isBetween(SAFETY.multipliedBy(9).dividedBy(10), SAFETY);
		assertThat(this.wakeUps.pace(Duration.ofMinutes(1))).as("a longer poll interval")
			.isBetween(Duration.ofSeconds(54), Duration.ofMinutes(1));
	}

	@Test
	void whileNotificationsArriveAndTheWorkerLooksEverybodyRests() {
		rest();
		assertThat(pace()).isGreaterThan(LONG);
		assertThat(this.wakeUps.longestPause(POLL)).as("how long a queue is left alone").isEqualTo(SAFETY);
		assertThat(this.wakeUps.pace(Duration.ofDays(1))).isGreaterThan(Duration.ofHours(20));
	}

	@Test
	void aLookBeforeNotificationsArriveDoesNotCount() {
		looked(Duration.ZERO);
		this.wakeUps.setSafetyInterval(SAFETY);
		assertThat(pace()).isLessThanOrEqualTo(SAFETY);
		looked(Duration.ZERO);
		this.wakeUps.setSafetyInterval(Duration.ZERO);
		this.wakeUps.setSafetyInterval(SAFETY);
		assertThat(pace()).isLessThanOrEqualTo(SAFETY);
	}

	@Test
	void whenNotificationsDoNotArriveAnyMoreEverybodyIsWokenToPoll() {
		rest();
		this.wakeUps.setSafetyInterval(Duration.ZERO);
		assertAllWokenAt(POLL);
	}

	@Test
	void whenTheWorkerFailsEverybodyIsWokenOnceToPoll() {
		rest();
		this.wakeUps.notLooked();
		assertAllWokenAt(SAFETY);
		this.wakeUps.notLooked();
		assertThat(this.orders.await(Duration.ZERO)).as("a second time").isFalse();
		looked(Duration.ZERO);
		assertThat(pace()).isGreaterThan(LONG);
	}

	@Test
	void whenTheWorkerHasNotLookedForThreeIntervalsEverybodyIsWokenToPoll() {
		this.wakeUps.setSafetyInterval(SAFETY);
		looked(Duration.ofSeconds(25));
		drain();
		this.wakeUps.supervise();
		assertThat(this.orders.await(Duration.ZERO)).isFalse();
		assertThat(pace()).isGreaterThan(LONG);
		looked(Duration.ofSeconds(30));
		assertThat(pace()).as("even before anybody has noticed").isLessThanOrEqualTo(SAFETY);
		this.wakeUps.supervise();
		assertAllWokenAt(SAFETY);
	}

	@Test
	void theWorkerWakesExactlyThoseForWhomItHasFoundSomething() {
		this.wakeUps.setSafetyInterval(SAFETY);
		drain();
		assertThat(this.wakeUps.subscriptions()).isEqualTo(Map.of(11, 1, 12, 2));
		this.wakeUps.looked(Set.of(12, 13), System.nanoTime(), SAFETY);
		assertThat(this.orders.await(Duration.ZERO)).isFalse();
		assertThat(this.emails.await(Duration.ZERO)).isTrue();
		this.wakeUps.remove("emails", this.emails);
		assertThat(this.wakeUps.subscriptions()).isEqualTo(Map.of(11, 1));
	}

	@Test
	void theWorkerIsToldWhenNotificationsArriveSoThatItLooksAtOnce() {
		assertThat(this.wakeUps.isLookMissing()).isFalse();
		this.wakeUps.setSafetyInterval(SAFETY);
		assertThat(this.wakeUps.worker().await(Duration.ZERO)).isTrue();
		assertThat(this.wakeUps.isLookMissing()).isTrue();
		looked(Duration.ZERO);
		assertThat(this.wakeUps.isLookMissing()).isFalse();
	}

	@Test
	void theWorkerLooksAsOftenAsThoseWouldWhoRelyOnItWithinLimits() {
		Duration heartbeat = Duration.ofSeconds(20);
		assertThat(this.wakeUps.lookInterval(heartbeat)).isEqualTo(heartbeat);
		this.wakeUps.setSafetyInterval(SAFETY);
		assertThat(this.wakeUps.lookInterval(heartbeat)).isEqualTo(SAFETY);
		assertThat(this.wakeUps.lookInterval(POLL)).isEqualTo(POLL);
		this.wakeUps.setSafetyInterval(Duration.ofNanos(1));
		assertThat(this.wakeUps.lookInterval(heartbeat)).isEqualTo(Duration.ofMillis(100));
		assertThat(this.wakeUps.lookInterval(Duration.ofMillis(20))).isEqualTo(Duration.ofMillis(20));
	}

	@Test
	void aLookOfTheWorkerCountsForWhoRestsUnlessHisOwnWasLater() {
		long own = System.nanoTime();
		assertThat(this.wakeUps.lastLook(own)).isEqualTo(own);
		rest();
		long looked = this.wakeUps.lastLook(own);
		assertThat(looked - own).isPositive();
		assertThat(this.wakeUps.lastLook(looked + 1)).isEqualTo(looked + 1);
		this.wakeUps.notLooked();
		assertThat(this.wakeUps.lastLook(own)).isEqualTo(looked);
	}

	@ParameterizedTest
	@ValueSource(strings = { "PT0S", "PT0.02S", "PT10S", "PT876000H", "PT2562047788015215H" })
	void notEverybodySleepsEquallyLong(Duration longest) {
		assertThat(Stream.generate(() -> WakeUps.jittered(longest)).limit(200).toList())
			.allMatch((one) -> one.compareTo(longest) <= 0)
			.allMatch((one) -> one.compareTo(longest.dividedBy(10).multipliedBy(9)) >= 0)
			.satisfies((all) -> assertThat(all.stream().distinct().count()).isGreaterThan(longest.isZero() ? 0 : 20));
	}

	private void rest() {
		this.wakeUps.setSafetyInterval(SAFETY);
		looked(Duration.ZERO);
		drain();
	}

	private void looked(Duration ago) {
		this.wakeUps.looked(Set.of(), System.nanoTime() - ago.toNanos(), SAFETY);
	}

	private void drain() {
		this.orders.await(Duration.ZERO);
		this.emails.await(Duration.ZERO);
	}

	private void assertAllWokenAt(Duration pace) {
		assertThat(pace()).isLessThanOrEqualTo(pace);
		assertThat(this.orders.await(Duration.ZERO)).isTrue();
		assertThat(this.emails.await(Duration.ZERO)).isTrue();
	}

	private Duration pace() {
		return this.wakeUps.pace(POLL);
	}

}
