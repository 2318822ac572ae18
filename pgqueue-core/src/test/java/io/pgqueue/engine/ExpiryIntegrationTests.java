package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.ClaimRequest;
import io.pgqueue.engine.MessageLog.Timing;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Messages whose time to live is over are passed over by every claim and counted once
 * (review B7).
 */
@PgQueueDatabase
class ExpiryIntegrationTests {

	private static final Timing SHORT = new Timing(null, null, 1L);

	private static final Timing LONG = new Timing(null, null, 3_600_000_000L);

	private final TestEngine engine;

	ExpiryIntegrationTests(TestDatabase database) {
		this.engine = TestEngine.of(database);
	}

	@Test
	void expiredMessagesAreNeitherReturnedNorLeasedButCounted() {
		List<Long> live = new ArrayList<>();
		for (int i = 0; i < 3; i++) {
			send(2, SHORT);
			live.add(this.engine.send());
			live.addAll(TestEngine.list(send(1, LONG)));
		}
		Claim claim = this.engine.claim(100);
		assertThat(TestEngine.ids(claim)).isEqualTo(live);
		assertThat(claim.expired()).isEqualTo(6);
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).isEqualTo(live);
		Claim idle = this.engine.claim(100);
		assertThat(idle.expired()).as("an idle poll counts nothing again").isZero();
		assertThat(idle.messages()).isEmpty();
		assertThat(idle.more()).isFalse();
		assertThat(this.engine.count("dead_letter WHERE subscription_id = " + this.engine.queue.subscriptionId()))
			.isZero();
	}

	@Test
	void whereNothingIsLeftThereIsNoLease() {
		send(5, SHORT);
		Claim claim = this.engine.claim(10);
		assertThat(claim.messages()).isEmpty();
		assertThat(claim.expired()).isEqualTo(5);
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).isEmpty();
		long id = this.engine.send();
		assertThat(TestEngine.ids(this.engine.claim(10))).containsExactly(id);
	}

	@Test
	void aClaimOfOnePassesThousandsInAFewSteps() {
		send(5_000, SHORT);
		long live = this.engine.send();
		send(5_000, SHORT);
		int expired = 0;
		List<Long> claimed = new ArrayList<>();
		Claim claim = this.engine.claim(1);
		int claims = 1;
		while (claim.more() || !claim.messages().isEmpty()) {
			assertThat(claim.messages()).hasSizeLessThanOrEqualTo(1);
			claimed.addAll(TestEngine.ids(claim));
			expired += claim.expired();
			claim = this.engine.claim(1);
			claims++;
		}
		expired += claim.expired();
		assertThat(claimed).containsExactly(live);
		assertThat(expired).isEqualTo(10_000);
		assertThat(claims).isLessThan(8);
	}

	@Test
	void theLimitCountsWhatIsReturned() {
		List<Long> live = new ArrayList<>();
		for (int i = 0; i < 6; i++) {
			send(1, SHORT);
			live.add(this.engine.send());
		}
		List<Long> claimed = new ArrayList<>();
		int expired = 0;
		for (int i = 0; i < 20 && claimed.size() < 6; i++) {
			Claim claim = this.engine.claim(2);
			assertThat(claim.messages()).hasSizeBetween(1, 2);
			claimed.addAll(TestEngine.ids(claim));
			expired += claim.expired();
		}
		assertThat(claimed).isEqualTo(live);
		assertThat(expired).isEqualTo(6);
	}

	@Test
	void expiredMessagesBecomeDeadLettersIfWanted() {
		List<Long> expired = TestEngine.list(send(2, SHORT));
		long live = this.engine.send();
		Claim claim = bury();
		assertThat(TestEngine.ids(claim)).containsExactly(live);
		assertThat(claim.expired()).isEqualTo(2);
		List<DeadLetters.Row> dead = this.engine.deadLetters(10);
		assertThat(dead).extracting((one) -> one.death().id()).containsExactlyInAnyOrderElementsOf(expired);
		assertThat(dead).allSatisfy((one) -> {
			assertThat(one.reason()).isEqualTo("expired");
			assertThat(one.errorClass()).isEqualTo("io.pgqueue.Expired");
			assertThat(one.errorMessage()).matches("Expired at \\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z, before delivery 1");
			assertThat(one.attempts()).isZero();
		});
	}

	@Test
	void aMessageKeepsItsExpiryThroughAFailure() {
		long id = fail();
		assertThat(expiry(id)).isNotNull();
		expireInRetry();
		Claim claim = this.engine.claim(10);
		assertThat(claim.messages()).isEmpty();
		assertThat(claim.expired()).isOne();
		assertThat(this.engine.retried()).isEmpty();
	}

	@Test
	void aFailedMessageThatExpiresBecomesADeadLetterWithItsLastFailure() {
		long id = fail();
		expireInRetry();
		Claim claim = bury();
		assertThat(claim.expired()).isOne();
		assertThat(this.engine.retried()).isEmpty();
		DeadLetters.Row dead = this.engine.deadLetters(10).get(0);
		assertThat(dead.death().id()).isEqualTo(id);
		assertThat(dead.attempts()).isOne();
		assertThat(dead.errorMessage())
			.contains("before delivery 2; the last failure was java.lang.IllegalStateException: ");
	}

	@Test
	void aMessageThatExpiresOutOfTheLogKeepsItsSizeLaneAndTheNameOfTheProcess() {
		long id = send(1, SHORT)[0];
		bury();
		assertThat(letter(id)).isEqualTo("0 0 2 test");
	}

	@Test
	void aMessageThatExpiresAfterARedriveKeepsTheirNumber() {
		long id = fail();
		this.engine.jdbc()
			.sql("UPDATE pgqueue.retry SET redrives = 3 WHERE subscription_id = ? AND id = ?")
			.params(this.engine.queue.subscriptionId(), id)
			.update();
		expireInRetry();
		bury();
		assertThat(letter(id)).isEqualTo("3 0 2 test");
	}

	@Test
	void aRedrivenMessageDoesNotExpireAgain() {
		long id = send(1, SHORT)[0];
		bury();
		DeadLetters letters = new DeadLetters(this.engine.database);
		assertThat(letters.redrive(this.engine.queue.subscriptionId(),
				List.of(this.engine.deadLetters(1).get(0).death()), new long[] { 0 }))
			.isOne();
		Claim claim = bury();
		assertThat(TestEngine.ids(claim)).containsExactly(id);
		assertThat(claim.expired()).isZero();
	}

	@ParameterizedTest(name = "expired messages become dead letters: {0}")
	@ValueSource(booleans = { false, true })
	void singleLeasesHaveTheNumbersOfTheirClaimAlthoughOthersArePassedOver(boolean buryExpired) {
		send(50, SHORT);
		List<Long> live = new ArrayList<>();
		for (int i = 0; i < 5; i++) {
			send(2, SHORT);
			live.add(this.engine.send());
		}
		Claim claim = this.engine.leases.claim(new ClaimRequest(this.engine.worker, 1_000, this.engine.queue.queueId(),
				this.engine.queue.subscriptionId(), 5, TestEngine.BYTES, OffsetDateTime.MIN, buryExpired, true));
		assertThat(TestEngine.ids(claim)).isEqualTo(live);
		assertThat(claim.expired()).isEqualTo(60);
		for (int i = 0; i < 5; i++) {
			ClaimedMessage message = claim.messages().get(i);
			assertThat(message.lease()).isEqualTo(1_001 + i);
			assertThat(this.engine.leased(this.engine.worker, message.lease())).containsExactly(message.id());
		}
		assertThat(this.engine.count("lease WHERE worker_id = " + this.engine.worker)).isEqualTo(5);
	}

	@Test
	void aMessageKeepsItsExpiryThroughReconciliationAndTheDeathOfItsWorker() {
		long first = send(1, LONG)[0];
		this.engine.claim(10);
		try (Workers workers = this.engine.workers()) {
			workers.reconcile(this.engine.worker, 1, this.engine.lastLease(), new long[0]);
			assertThat(expiry(first)).isNotNull();
			long second = send(1, LONG)[0];
			this.engine.claim(10);
			this.engine.declareDead(this.engine.worker);
			workers.recover(this.engine.worker);
			assertThat(expiry(second)).isNotNull();
		}
		assertThat(this.engine.retried()).hasSize(2);
		expireInRetry();
		assertThat(this.engine.claim(this.engine.registerWorker(), 10).expired()).isEqualTo(2);
	}

	@Test
	void aScheduledMessageLivesFromItsSendOn() {
		long id = send(1, new Timing(null, 3_600_000_000L, 7_200_000_000L))[0];
		this.engine.jdbc()
			.sql("UPDATE pgqueue.scheduled SET due_at = clock_timestamp(), expires_at = clock_timestamp() WHERE id = ?")
			.param(id)
			.update();
		Promotions promotions = new Promotions(
				new Database(this.engine.testDatabase.directDataSource(), this.engine.schema));
		assertThat(promotions.promote(10, OffsetDateTime.MIN).queues()).containsValue(1L);
		Claim claim = this.engine.claim(10);
		assertThat(claim.messages()).isEmpty();
		assertThat(claim.expired()).isOne();
	}

	@Test
	void everySubscriptionCountsForItself() {
		int other = this.engine.jdbc()
			.sql("SELECT pgqueue.subscribe(?, 'other', true)")
			.param(this.engine.queue.queueId())
			.query(Integer.class)
			.single();
		send(3, SHORT);
		assertThat(this.engine.claim(10).expired()).isEqualTo(3);
		assertThat(this.engine.claimAs(other, 10).expired()).isEqualTo(3);
	}

	private long[] send(int count, Timing timing) {
		return this.engine.log
			.sendTimed(this.engine.queue.name(), Collections.nCopies(count, "{}"), Collections.nCopies(count, null),
					timing)
			.ids();
	}

	private Claim bury() {
		ClaimRequest request = this.engine.request(this.engine.worker, 10, TestEngine.BYTES, OffsetDateTime.MIN);
		return this.engine.leases.claim(new ClaimRequest(request.worker(), request.lease(), request.queueId(),
				request.subscriptionId(), request.limit(), request.bytes(), request.dueFrom(), true, false));
	}

	/**
	 * Sends a message that lives long and fails.
	 */
	private long fail() {
		long id = send(1, LONG)[0];
		this.engine.claim(10);
		assertThat(this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(this.engine.lastLease(), id, 0, true))))
			.isEmpty();
		return id;
	}

	private void expireInRetry() {
		this.engine.jdbc()
			.sql("UPDATE pgqueue.retry SET expires_at = clock_timestamp() WHERE subscription_id = ? AND expires_at IS NOT NULL")
			.param(this.engine.queue.subscriptionId())
			.update();
	}

	private String letter(long id) {
		return this.engine.jdbc()
			.sql("SELECT concat_ws(' ', redrives, lane, size, worker) FROM pgqueue.dead_letter "
					+ "WHERE subscription_id = ? AND id = ?")
			.params(this.engine.queue.subscriptionId(), id)
			.query(String.class)
			.single();
	}

	private OffsetDateTime expiry(long id) {
		return this.engine.jdbc()
			.sql("SELECT expires_at FROM pgqueue.retry WHERE id = ?")
			.param(id)
			.query(OffsetDateTime.class)
			.single();
	}

}
