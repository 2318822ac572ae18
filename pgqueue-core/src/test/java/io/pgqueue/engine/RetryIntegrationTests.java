package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Messages that go back for another delivery, and how they share claims with new ones.
 */
@PgQueueDatabase
class RetryIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	RetryIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@Test
	void aRetryKeepsTheMessageAndCountsTheAttempt() {
		long id = this.engine.log.send(this.engine.queue.name(), List.of("{\"a\": [1, 2]}"),
				List.of("{\"h\":\"1\"}"))[0];
		ClaimedMessage first = this.engine.claim(10).messages().get(0);
		fail(true, id);
		ClaimedMessage second = this.engine.claim(10).messages().get(0);
		assertThat(second).isEqualTo(new ClaimedMessage(second.lease(), id, 2, first.enqueuedAt(), "{\"h\":\"1\"}",
				"{\"a\": [1, 2]}", true, false));
		fail(true, id);
		assertThat(this.engine.claim(10).messages().get(0).attempt()).isEqualTo(3);
	}

	@Test
	void aHandBackDoesNotCountAndKeepsTheErrorOfTheLastFailure() {
		long id = this.engine.send();
		this.engine.claim(10);
		this.engine.leases.retry(this.engine.worker, List.of(TestEngine.handBack(this.engine.lastLease(), id)));
		assertThat(this.engine.claim(10).messages().get(0).attempt()).isOne();
		fail(true, id);
		assertThat(this.engine.claim(10).messages().get(0).attempt()).isEqualTo(2);
		this.engine.leases.retry(this.engine.worker, List.of(TestEngine.handBack(this.engine.lastLease(), id)));
		assertThat(this.engine.jdbc()
			.sql("SELECT error_class || ': ' || error_message FROM pgqueue.retry WHERE id = ?")
			.param(id)
			.query(String.class)
			.single()).isEqualTo("java.lang.IllegalStateException: it failed");
		assertThat(this.engine.claim(10).messages().get(0).attempt()).isEqualTo(2);
	}

	@Test
	void redeliveriesComeInTheOrderInWhichTheyFallDue() {
		long[] ids = this.engine.send(4);
		this.engine.claim(10);
		long lease = this.engine.lastLease();
		this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(lease, ids[0], 400, true), TestEngine.failure(lease, ids[1], 100, true),
						TestEngine.failure(lease, ids[2], 300, true), TestEngine.failure(lease, ids[3], 200, true)));
		Claim early = this.engine.claim(10);
		assertThat(early.messages()).isEmpty();
		assertThat(early.nextDueMicros()).isBetween(0L, 100_000L);
		awaitDue(4);
		List<Long> order = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			order.addAll(TestEngine.ids(this.engine.claim(1)));
		}
		assertThat(order).containsExactly(ids[1], ids[3], ids[2], ids[0]);
	}

	@Test
	void nothingComesBeforeItIsDue() {
		long id = this.engine.send();
		this.engine.claim(10);
		OffsetDateTime before = now();
		this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(this.engine.lastLease(), id, 300, true)));
		Await.until("it comes back", () -> !this.engine.claim(10).messages().isEmpty());
		assertThat(now()).isAfterOrEqualTo(before.plusNanos(300_000_000));
	}

	@Test
	void aNegativeDelayMeansAtOnce() {
		long id = this.engine.send();
		this.engine.claim(10);
		this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(this.engine.lastLease(), id, -1_000_000, true)));
		assertThat(TestEngine.ids(this.engine.claimFromMark(10, TestEngine.BYTES))).containsExactly(id);
	}

	@Test
	void aRetryMakesTheNextClaimKnowWhenToComeBack() {
		long[] ids = this.engine.send(2);
		this.engine.claim(2);
		long lease = this.engine.lastLease();
		this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(lease, ids[0], 60_000, true),
				TestEngine.failure(lease, ids[1], 120_000, true)));
		assertThat(this.engine.claimFromMark(10, TestEngine.BYTES).nextDueMicros()).isBetween(50_000_000L, 60_000_000L);
		assertThat(this.engine.claimFromMark(10, TestEngine.BYTES).nextDueMicros()).isBetween(50_000_000L, 60_000_000L);
	}

	@Test
	void whatIsRetriedTwiceIsLostTheSecondTime() {
		long id = this.engine.send();
		this.engine.claim(10);
		long lease = this.engine.lastLease();
		assertThat(fail(true, id)).isEmpty();
		assertThat(this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(lease, id, 0, true))))
			.containsExactly(new Held(lease, id));
		this.engine.claim(10);
		assertThat(this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(lease, id, 0, true))))
			.as("the token of the first delivery")
			.containsExactly(new Held(lease, id));
	}

	@Test
	void aRetryOfSomethingLostDoesNotStopTheOthers() {
		long[] ids = this.engine.send(2);
		this.engine.claim(2);
		long lease = this.engine.lastLease();
		assertThat(this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(lease, 999_999L, 0, true), TestEngine.failure(lease, ids[0], 0, true),
						TestEngine.failure(lease + 50, ids[1], 0, true))))
			.containsExactlyInAnyOrder(new Held(lease, 999_999L), new Held(lease + 50, ids[1]));
		assertThat(this.engine.retried()).containsExactly(ids[0]);
		assertThat(this.engine.leased(this.engine.worker, lease)).containsExactly(ids[1]);
	}

	@Test
	void withRoomForOneRetriesAndNewMessagesTakeTurns() {
		retries(this.engine, 6);
		this.engine.send(6);
		List<Boolean> redelivered = new ArrayList<>();
		for (int i = 0; i < 12; i++) {
			redelivered.add(this.engine.claimFromMark(1, TestEngine.BYTES).messages().get(0).redelivered());
		}
		assertThat(redelivered.subList(0, 2)).containsExactlyInAnyOrder(true, false);
		for (int i = 2; i < 12; i++) {
			assertThat(redelivered.get(i)).as("turn %s of %s", i, redelivered).isNotEqualTo(redelivered.get(i - 1));
		}
	}

	@Test
	void eachSourceGetsHalfOfAClaimAndTheRestWhenTheOtherIsEmpty() {
		retries(this.engine, 15);
		this.engine.send(10);
		assertThat(redelivered(this.engine.claim(10))).isEqualTo(5);
		assertThat(redelivered(this.engine.claim(10))).isEqualTo(5);
		Claim rest = this.engine.claim(10);
		assertThat(rest.messages()).hasSize(5).allMatch(ClaimedMessage::redelivered);
	}

	@Test
	void aFewRetriesLeaveTheirShareToNewMessages() {
		retries(this.engine, 1);
		this.engine.send(20);
		Claim claim = this.engine.claim(10);
		assertThat(claim.messages()).hasSize(10);
		assertThat(redelivered(claim)).isOne();
	}

	@Test
	void aStormOfRetriesIsReadInWholeClaimsAndEndsWithoutAGap() {
		retries(this.engine, 500);
		Set<Long> claimed = new HashSet<>();
		for (int i = 0; i < 10; i++) {
			Claim claim = this.engine.claimFromMark(50, TestEngine.BYTES);
			assertThat(claim.messages()).hasSize(50);
			if (i < 9) {
				assertThat(claim.nextDueMicros()).as("there is more, and it is due").isZero();
			}
			claimed.addAll(TestEngine.ids(claim));
		}
		assertThat(claimed).hasSize(500);
		assertThat(this.engine.claimFromMark(50, TestEngine.BYTES).messages()).isEmpty();
	}

	@Test
	void aRetryThatAnotherClaimIsTakingIsPassedOver() {
		List<Long> ids = retries(this.engine, 2);
		try (Session other = Session.begin(this.database)) {
			other.execute("SELECT 1 FROM pgqueue.retry WHERE id = " + ids.get(0) + " FOR NO KEY UPDATE");
			assertThat(TestEngine.ids(this.engine.claim(10))).containsExactly(ids.get(1));
		}
		assertThat(TestEngine.ids(this.engine.claim(10))).containsExactly(ids.get(0));
	}

	@Test
	void whileTheLaneIsBusyDueRetriesComeAllTheSame() {
		retries(this.engine, 1);
		this.engine.send();
		this.engine.nextLeaseIs(true);
		try (Session other = Session.begin(this.database)) {
			other.execute("SELECT 1 FROM pgqueue.lane WHERE subscription_id = " + this.engine.queue.subscriptionId()
					+ " FOR NO KEY UPDATE");
			Claim claim = this.engine.claim(10);
			assertThat(claim.messages()).hasSize(1).allMatch(ClaimedMessage::redelivered);
			assertThat(claim.busy()).isTrue();
		}
	}

	@Test
	void aLongErrorTextAndStrangeCharactersAreKept() {
		long id = this.engine.send();
		this.engine.claim(1);
		String text = "x".repeat(100_000) + "\u2028\"'\\ {},NULL \ud83d\ude00";
		this.engine.leases.retry(this.engine.worker,
				List.of(new Failure(new Held(this.engine.lastLease(), id), 0, true, null, "a.B", text, null)));
		assertThat(this.engine.jdbc()
			.sql("SELECT error_message FROM pgqueue.retry WHERE id = ?")
			.param(id)
			.query(String.class)
			.single()).isEqualTo(text);
	}

	@Test
	void eachSubscriptionHasRetriesOfItsOwn() {
		int second = this.engine.jdbc()
			.sql("SELECT pgqueue.subscribe(?, 'second', true)")
			.param(this.engine.queue.queueId())
			.query(Integer.class)
			.single();
		long id = this.engine.send();
		assertThat(TestEngine.ids(this.engine.claim(1))).containsExactly(id);
		fail(true, id);
		Claim fresh = this.engine.claimAs(second, 10);
		assertThat(TestEngine.ids(fresh)).containsExactly(id);
		assertThat(fresh.messages().get(0).attempt()).isOne();
		fail(true, id);
		assertThat(this.engine.claim(10).messages()).hasSize(1);
		assertThat(this.engine.claimAs(second, 10).messages()).hasSize(1);
	}

	private List<Held> fail(boolean counted, long... ids) {
		long lease = this.engine.lastLease();
		return this.engine.leases.retry(this.engine.worker,
				TestEngine.list(ids).stream().map((id) -> TestEngine.failure(lease, id, 0, counted)).toList());
	}

	/**
	 * Sends messages and makes retries of them that are due now.
	 */
	private static List<Long> retries(TestEngine of, int count) {
		of.send(count);
		List<Long> ids = TestEngine.ids(of.claim(count + 1));
		long lease = of.lastLease();
		of.leases.retry(of.worker, ids.stream().map((id) -> TestEngine.failure(lease, id, 0, true)).toList());
		return ids;
	}

	private static long redelivered(Claim claim) {
		return claim.messages().stream().filter(ClaimedMessage::redelivered).count();
	}

	private void awaitDue(int count) {
		Await.until("all are due",
				() -> this.engine.jdbc()
					.sql("SELECT count(*) FROM pgqueue.retry WHERE subscription_id = ? AND due_at <= clock_timestamp()")
					.param(this.engine.queue.subscriptionId())
					.query(Integer.class)
					.single() == count);
	}

	private OffsetDateTime now() {
		return this.engine.jdbc().sql("SELECT clock_timestamp()").query(OffsetDateTime.class).single();
	}

}
