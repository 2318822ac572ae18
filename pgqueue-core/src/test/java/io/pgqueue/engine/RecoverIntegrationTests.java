package io.pgqueue.engine;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Workers.Holder;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * What becomes of the messages of a worker that died (review A8, A14).
 */
@PgQueueDatabase
class RecoverIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	private final Workers workers;

	RecoverIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.workers = this.engine.workers();
	}

	@AfterEach
	void close() {
		this.workers.close();
	}

	@Test
	void nothingIsTakenFromALivingOrAnUnknownWorker() {
		this.engine.send();
		this.engine.claim(1);
		for (long worker : List.of(this.engine.worker, 999_999_999L)) {
			assertThatExceptionOfType(WorkerGoneException.class).isThrownBy(() -> this.workers.recover(worker))
				.withStackTraceContaining("is alive or unknown");
		}
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).hasSize(1);
	}

	@Test
	void everythingOfADeadWorkerComesBackWithTheAttemptCounted() {
		long[] first = this.engine.send(2);
		this.engine.claim(2);
		long lease = this.engine.lastLease();
		this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(lease, first[0], 0, true), TestEngine.failure(lease, first[1], 0, true)));
		this.engine.claim(1);
		long[] second = this.engine.send(3);
		this.engine.nextLeaseIs(false);
		this.engine.claim(1);
		this.engine.claim(10);
		long other = this.engine.registerWorker();
		this.engine.declareDead(this.engine.worker);

		assertThat(this.workers.recover(this.engine.worker)).isEqualTo(5);
		assertThat(this.workers.recover(this.engine.worker)).isZero();

		List<ClaimedMessage> again = claimAll(other);
		assertThat(again).extracting(ClaimedMessage::id)
			.containsExactlyInAnyOrder(first[0], first[1], second[0], second[1], second[2]);
		assertThat(again).allMatch(ClaimedMessage::redelivered);
		assertThat(again).filteredOn((message) -> message.id() <= first[1])
			.extracting(ClaimedMessage::attempt)
			.containsOnly(3);
		assertThat(again).filteredOn((message) -> message.id() > first[1])
			.extracting(ClaimedMessage::attempt)
			.containsOnly(2);
		assertThat(this.engine.jdbc()
			.sql("SELECT DISTINCT error_class || ': ' || error_message FROM pgqueue.retry WHERE subscription_id = ?")
			.param(this.engine.queue.subscriptionId())
			.query(String.class)
			.single()).isEqualTo(
					"io.pgqueue.WorkerDied: Worker " + this.engine.worker + " (test) died while it held this message");
	}

	@Test
	void aBoundedNumberOfLeasesIsTakenAtATime() {
		this.engine.send(50);
		for (int i = 0; i < 50; i++) {
			this.engine.claim(1);
		}
		this.engine.declareDead(this.engine.worker);
		assertThat(this.workers.recover(this.engine.worker)).isEqualTo(20);
		assertThat(this.workers.recover(this.engine.worker)).isEqualTo(20);
		assertThat(this.workers.recover(this.engine.worker)).isEqualTo(10);
		assertThat(this.workers.recover(this.engine.worker)).isZero();
	}

	@Test
	void aLeaseThatIsJustBeingSettledIsPassedOverAndNotWaitedFor() {
		long[] ids = this.engine.send(3);
		for (int i = 0; i < 3; i++) {
			this.engine.claim(1);
		}
		long middle = this.engine.lastLease() - 1;
		this.engine.declareDead(this.engine.worker);
		try (Session handler = Session.begin(this.database)) {
			handler.execute("DELETE FROM pgqueue.lease WHERE worker_id = " + this.engine.worker + " AND n = " + middle);
			assertThat(this.workers.recover(this.engine.worker)).isEqualTo(2);
			assertThat(this.workers.recover(this.engine.worker)).isZero();
			handler.commit();
		}
		assertThat(this.workers.recover(this.engine.worker)).isZero();
		assertThat(this.engine.retried()).containsExactly(ids[0], ids[2]);
	}

	@Test
	void aSettleThatIsUndoneIsRecoveredLater() {
		long id = this.engine.send();
		this.engine.claim(1);
		this.engine.declareDead(this.engine.worker);
		try (Session handler = Session.begin(this.database)) {
			handler.execute("DELETE FROM pgqueue.lease WHERE worker_id = " + this.engine.worker);
			assertThat(this.workers.recover(this.engine.worker)).isZero();
			handler.rollback();
		}
		assertThat(this.workers.recover(this.engine.worker)).isOne();
		assertThat(this.engine.retried()).containsExactly(id);
	}

	@Test
	void aRedeliveredMessageThatIsJustBeingSettledIsPassedOverToo() {
		long id = this.engine.send();
		this.engine.claim(1);
		this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(this.engine.lastLease(), id, 0, true)));
		this.engine.claim(1);
		this.engine.declareDead(this.engine.worker);
		try (Session handler = Session.begin(this.database)) {
			handler.execute("DELETE FROM pgqueue.retry WHERE id = " + id);
			assertThat(this.workers.recover(this.engine.worker)).isZero();
			handler.commit();
		}
		assertThat(this.engine.retried()).isEmpty();
	}

	@Test
	void settlesInAnyOrderAndRecoveryDoNotDeadlock() throws Exception {
		this.engine.send(40);
		List<Long> numbers = new ArrayList<>();
		for (int i = 0; i < 40; i++) {
			this.engine.claim(1);
			numbers.add(this.engine.lastLease());
		}
		this.engine.declareDead(this.engine.worker);
		List<Held> lost = new ArrayList<>();
		CompletableFuture<Void> settling = CompletableFuture.runAsync(() -> {
			for (int i = 39; i >= 0; i--) {
				lost.addAll(
						this.engine.leases.settle(this.engine.worker, List.of(numbers.get(i)), List.of(), List.of()));
			}
		});
		int recovered = 0;
		for (int taken = -1; taken != 0 || !settling.isDone();) {
			taken = this.workers.recover(this.engine.worker);
			recovered += taken;
		}
		settling.get(10, TimeUnit.SECONDS);
		assertThat(lost).as("each lease is either settled or recovered").hasSize(recovered);
		assertThat(this.engine.retried()).hasSize(recovered);
	}

	@Test
	void recoveryRaisesAndChangesNothingWhenAMessageIsGoneFromTheLog() {
		long[] ids = this.engine.send(2);
		this.engine.claim(2);
		this.engine.declareDead(this.engine.worker);
		this.engine.jdbc().sql("DELETE FROM pgqueue.message WHERE id = ?").param(ids[0]).update();
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> this.workers.recover(this.engine.worker))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ04"));
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).containsExactly(ids[0], ids[1]);
		assertThat(this.engine.retried()).isEmpty();
	}

	@Test
	void aDeadWorkerCanClaimNothing() {
		this.engine.send();
		this.engine.declareDead(this.engine.worker);
		assertThatExceptionOfType(WorkerGoneException.class).isThrownBy(() -> this.engine.claim(1))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ02"));
		assertThatExceptionOfType(WorkerGoneException.class).isThrownBy(() -> this.engine.claim(999_999_999L, 1));
		assertThat(this.engine.claim(this.engine.registerWorker(), 1).messages()).hasSize(1);
	}

	@Test
	void aDeadWorkerSettlesNothingThatWasRecovered() {
		long id = this.engine.send();
		this.engine.claim(1);
		long lease = this.engine.lastLease();
		this.engine.declareDead(this.engine.worker);
		this.workers.recover(this.engine.worker);
		assertThat(this.engine.leases.settle(this.engine.worker, List.of(lease), List.of(), List.of()))
			.containsExactly(new Held(lease, 0));
		assertThat(this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(lease, id, 0, true))))
			.containsExactly(new Held(lease, id));
		assertThat(this.engine.retried()).containsExactly(id);
	}

	/**
	 * The claim has passed the check of its worker and waits; meanwhile its worker is
	 * declared dead and swept; then the claim commits.
	 */
	@Test
	void aClaimThatWasInFlightWhenItsWorkerDiedIsSweptLater() throws Exception {
		long id = this.engine.send();
		try (Session blocker = Session.begin(this.database);
				Session paused = new Session(this.database.directDataSource())) {
			blocker.execute("LOCK TABLE pgqueue.lease IN SHARE MODE");
			Leases inFlight = new Leases(new Database(paused.dataSource(), this.engine.schema));
			CompletableFuture<Claim> claim = paused.blocked(this.database, () -> inFlight
				.claim(this.engine.request(this.engine.worker, 1, TestEngine.BYTES, OffsetDateTime.MIN)));
			this.engine.declareDead(this.engine.worker);
			blocker.commit();
			assertThat(TestEngine.ids(claim.get(10, TimeUnit.SECONDS))).containsExactly(id);
		}
		assertThat(holder(this.engine.worker).dead()).as("the tombstone is looked at again").isTrue();
		assertThat(this.workers.recover(this.engine.worker)).isOne();
		assertThat(this.engine.retried()).containsExactly(id);
	}

	@Test
	void aWorkerIsDeclaredDeadOnlyIfItGaveNoOtherSignOfLife() {
		this.engine.send();
		this.engine.claim(1);
		Holder seen = holder(this.engine.worker);
		assertThat(seen.dead()).isFalse();
		assertThat(this.workers.beat(this.engine.worker)).isTrue();
		assertThat(this.workers.declareDead(seen)).as("the heartbeat has moved").isFalse();
		assertThat(this.workers.beat(this.engine.worker)).isTrue();
		assertThat(this.workers.declareDead(holder(this.engine.worker))).isTrue();
		assertThat(this.workers.declareDead(holder(this.engine.worker))).as("twice").isFalse();
		assertThat(this.workers.beat(this.engine.worker)).isFalse();
	}

	@Test
	void aHeartbeatThatIsUnderWayIsWaitedFor() throws Exception {
		this.engine.send();
		this.engine.claim(1);
		Holder seen = holder(this.engine.worker);
		try (Session beating = Session.begin(this.database);
				Session observer = new Session(this.database.directDataSource())) {
			beating.execute("SELECT pgqueue.beat(" + this.engine.worker + ")");
			Workers watching = new Workers(observer.dataSource(), this.engine.schema, Duration.ofMinutes(1));
			CompletableFuture<Boolean> declared = observer.blocked(this.database, () -> watching.declareDead(seen));
			beating.commit();
			assertThat(declared.get(10, TimeUnit.SECONDS)).isFalse();
		}
	}

	@Test
	void aWorkerThatHoldsNothingIsNotListedAndNobodyListsItself() {
		long idle = this.engine.registerWorker();
		this.engine.send();
		this.engine.claim(1);
		assertThat(TestEngine.holders(this.workers, idle)).extracting(Holder::worker)
			.contains(this.engine.worker)
			.doesNotContain(idle);
		assertThat(TestEngine.holders(this.workers, this.engine.worker)).extracting(Holder::worker)
			.doesNotContain(this.engine.worker, idle);
	}

	@Test
	void aWorkerThatSignsOffLeavesWhatItHoldsToTheOthers() {
		long id = this.engine.send();
		this.engine.claim(1);
		this.workers.signOff(this.engine.worker);
		assertThat(holder(this.engine.worker).dead()).isTrue();
		assertThat(this.workers.recover(this.engine.worker)).isOne();
		assertThat(this.engine.retried()).containsExactly(id);
	}

	@Test
	void aWorkersNumberIsNeverUsedAgain() {
		long first = this.workers.register("one");
		this.workers.signOff(first);
		assertThat(this.workers.register("one")).isGreaterThan(first);
	}

	@Test
	void workersReconnectAfterTheirConnectionWasCut() {
		assertThat(this.workers.beat(this.engine.worker)).isTrue();
		this.engine.jdbc()
			.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
					+ "AND pid <> pg_backend_pid() AND query LIKE '%beat%'")
			.query(Long.class)
			.single();
		Await.until("a new connection is opened", () -> this.workers.beat(this.engine.worker));
	}

	private Holder holder(long worker) {
		try (Workers observing = this.engine.workers()) {
			return TestEngine.holders(observing, 0)
				.stream()
				.filter((one) -> one.worker() == worker)
				.findFirst()
				.orElseThrow();
		}
	}

	private List<ClaimedMessage> claimAll(long claimer) {
		List<ClaimedMessage> found = new ArrayList<>();
		Claim claim = this.engine.claim(claimer, 100);
		while (!claim.messages().isEmpty()) {
			found.addAll(claim.messages());
			claim = this.engine.claim(claimer, 100);
		}
		return found;
	}

}
