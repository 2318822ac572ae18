package io.pgqueue.engine;

import java.sql.Connection;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.concurrent.CompletableFuture;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Workers.Holder;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Transitions run at READ COMMITTED and in a transaction of their own, whatever the
 * database, the role or the pool sets (review A4, A12, A13).
 */
@PgQueueDatabase
class ClaimIsolationIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	ClaimIsolationIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			REPEATABLE READ | claim(%d, 1, %d, %d, 10, 1000, '-infinity')
			SERIALIZABLE    | claim(%d, 1, %d, %d, 10, 1000, '-infinity')
			REPEATABLE READ | retry(%d, ARRAY[1], ARRAY[1], ARRAY[0], ARRAY[1], ARRAY[''], ARRAY[''])
			SERIALIZABLE    | retry(%d, ARRAY[1], ARRAY[1], ARRAY[0], ARRAY[1], ARRAY[''], ARRAY[''])
			REPEATABLE READ | bury(%d, ARRAY[1], ARRAY[1], ARRAY[1], ARRAY[''], ARRAY[''], ARRAY[''], ARRAY[''])
			SERIALIZABLE    | bury(%d, ARRAY[1], ARRAY[1], ARRAY[1], ARRAY[''], ARRAY[''], ARRAY[''], ARRAY[''])
			REPEATABLE READ | redrive(%d, ARRAY[1], ARRAY[now()], ARRAY[0])
			SERIALIZABLE    | redrive(%d, ARRAY[1], ARRAY[now()], ARRAY[0])
			REPEATABLE READ | discard(%d, ARRAY[1], ARRAY[now()])
			SERIALIZABLE    | discard(%d, ARRAY[1], ARRAY[now()])
			REPEATABLE READ | expire_dead_letters(%d, now(), 1, 10)
			SERIALIZABLE    | expire_dead_letters(%d, now(), 1, 10)
			REPEATABLE READ | recover(%d, 10)
			SERIALIZABLE    | recover(%d, 10)
			REPEATABLE READ | reconcile(%d, 1, 10, '{}')
			SERIALIZABLE    | reconcile(%d, 1, 10, '{}')
			REPEATABLE READ | declare_dead(%d, now())
			SERIALIZABLE    | declare_dead(%d, now())
			""")
	void refusesAnotherIsolationLevel(String isolation, String call) {
		String sql = "SELECT * FROM pgqueue."
				+ call.formatted(this.engine.worker, this.engine.queue.queueId(), this.engine.queue.subscriptionId());
		try (Session session = Session.begin(this.database, isolation)) {
			assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> session.execute(sql))
				.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ01"))
				.withMessageContaining("READ COMMITTED, not at " + isolation.toLowerCase());
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "repeatable read", "serializable" })
	void everyTransitionWorksWhereTheDatabaseSetsAnotherLevelByDefault(String isolation) {
		setDefaultIsolation(isolation);
		try {
			TestEngine other = TestEngine.of(this.database, this.database.directDataSource());
			long[] ids = other.send(5);
			Claim claim = other.claim(10);
			long lease = other.lastLease();
			assertThat(TestEngine.ids(claim)).isEqualTo(TestEngine.list(ids));
			assertThat(other.leases.settle(other.worker, List.of(), List.of(new Held(lease, ids[0])), List.of()))
				.isEmpty();
			assertThat(other.leases.retry(other.worker, List.of(TestEngine.failure(lease, ids[1], 0, true)))).isEmpty();
			assertThat(other.leases.bury(other.worker, List.of(TestEngine.failure(lease, ids[2], 0, true)))).isEmpty();
			assertThat(other.leased(other.worker, lease)).containsExactly(ids[3], ids[4]);
			try (Workers workers = other.workers()) {
				assertThat(workers.beat(other.worker)).isTrue();
				long observer = workers.register("observer");
				Holder holder = TestEngine.holders(workers, observer)
					.stream()
					.filter((one) -> one.worker() == other.worker)
					.findFirst()
					.orElseThrow();
				assertThat(workers.declareDead(holder)).isTrue();
				assertThat(workers.recover(other.worker)).isEqualTo(2);
			}
			assertThat(other.retried()).containsExactly(ids[1], ids[3], ids[4]);
		}
		finally {
			setDefaultIsolation("read committed");
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "repeatable read", "serializable" })
	void theFirstTransitionThatFindsAnotherLevelDoesNotLeakItsTransaction(String isolation) throws Exception {
		try (Session session = new Session(this.database.directDataSource())) {
			session.execute("SET default_transaction_isolation = '" + isolation + "'");
			Database joined = new Database(session.dataSource(), this.engine.schema);
			long id = this.engine.send();
			Claim claim = new Leases(joined)
				.claim(this.engine.request(this.engine.worker, 10, 1000, OffsetDateTime.MIN));
			assertThat(TestEngine.ids(claim)).containsExactly(id);
			assertThat(session.connection().getAutoCommit()).isTrue();
			assertThat(session.jdbc().sql("SHOW transaction_isolation").query(String.class).single())
				.as("the level of the session")
				.isEqualTo(isolation);
			assertThat(session.jdbc()
				.sql("SELECT pg_current_xact_id_if_assigned() IS NULL AND now() > ?::timestamptz - interval '1 minute'")
				.param(claim.dueFrom())
				.query(Boolean.class)
				.single()).isTrue();
			assertThat(state(session)).as("no transaction is left open").isEqualTo("idle");
		}
	}

	@Test
	void aTransitionThatFailsInAnExplicitTransactionLeavesTheConnectionUsable() {
		try (Session session = new Session(this.database.directDataSource())) {
			session.execute("SET default_transaction_isolation = 'repeatable read'");
			Leases leases = new Leases(new Database(session.dataSource(), this.engine.schema));
			this.engine.send();
			long unknown = 999_999_999L;
			assertThatExceptionOfType(WorkerGoneException.class)
				.isThrownBy(() -> leases.claim(this.engine.request(unknown, 10, 1000, OffsetDateTime.MIN)));
			assertThat(state(session)).isEqualTo("idle");
			assertThat(leases.claim(this.engine.request(this.engine.worker, 10, 1000, OffsetDateTime.MIN)).messages())
				.hasSize(1);
		}
	}

	@Test
	void aPoolWithoutAutocommitWorksAllTheSame() throws Exception {
		TestEngine other = TestEngine.of(this.database, this.database.pool((config) -> config.setAutoCommit(false)));
		long id = other.send();
		assertThat(TestEngine.ids(other.claim(10))).containsExactly(id);
		assertThat(other.leases.settle(other.worker, List.of(other.lastLease()), List.of(), List.of())).isEmpty();
		assertThat(other.leased(other.worker, other.lastLease())).isEmpty();
		try (Connection connection = other.database.dataSource().getConnection()) {
			assertThat(connection.getAutoCommit()).isFalse();
		}
	}

	@Test
	void aStaleClaimIsRefusedEvenAfterTheCursorRowsThatWouldStopItHaveBeenCleanedUp() {
		long[] ids = this.engine.send(2);
		try (Session stale = Session.begin(this.database, "REPEATABLE READ")) {
			stale.execute("SELECT 1");
			assertThat(this.engine.drain()).containsExactly(ids[0], ids[1]);
			this.engine.jdbc()
				.sql("DELETE FROM pgqueue.cursor WHERE subscription_id = ? AND seq < (SELECT max(seq) FROM pgqueue.cursor "
						+ "WHERE subscription_id = ?)")
				.params(this.engine.queue.subscriptionId(), this.engine.queue.subscriptionId())
				.update();
			assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> claim(this.engine, stale))
				.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ01"));
		}
	}

	@Test
	void withoutTheGuardAStaleClaimWouldDeliverTwice() {
		TestEngine broken = TestEngine.changed(this.database, "require_read_committed",
				TestEngine.replacing("<> 'read committed'", "= 'nothing'"));
		long[] ids = broken.send(2);
		try (Session stale = Session.begin(this.database, "REPEATABLE READ")) {
			stale.execute("SELECT 1");
			assertThat(broken.drain(1)).containsExactly(ids[0], ids[1]);
			broken.jdbc()
				.sql(broken.sql("DELETE FROM $.cursor WHERE seq > 0 AND seq < (SELECT max(seq) FROM $.cursor)"))
				.update();
			assertThat(claim(broken, stale)).containsExactly(ids[0], ids[1]);
			stale.commit();
		}
	}

	@Test
	void afterAClaimNobodyHoldsTheLane() {
		this.engine.send(10);
		for (int i = 0; i < 5; i++) {
			assertThat(this.engine.claim(1).messages()).hasSize(1);
			assertThat(lanesThatCanBeLocked()).isOne();
		}
	}

	@Test
	void aClaimInATransactionOfItsClientWouldHoldTheLaneForAsLongAsTheClientLikes() {
		this.engine.send(10);
		try (Session session = Session.begin(this.database)) {
			assertThat(claim(this.engine, session)).hasSize(10);
			this.engine.send();
			assertThat(lanesThatCanBeLocked()).isZero();
			assertThat(this.engine.claim(1).busy()).isTrue();
		}
	}

	@Test
	void evenWithoutTheLockOfTheLaneTheKeyOfTheCursorRefusesASecondClaimOfTheSameMessages() {
		TestEngine broken = TestEngine.changed(this.database, "claim",
				TestEngine.replacing("FOR NO KEY UPDATE SKIP LOCKED", ""));
		broken.send(3);
		try (Session first = Session.begin(this.database);
				Session second = new Session(this.database.directDataSource())) {
			assertThat(claim(broken, first)).hasSize(3);
			CompletableFuture<List<Long>> refused = second.blocked(this.database,
					() -> claim(broken, second, broken.registerWorker()));
			first.commit();
			assertThat(refused).failsWithin(Duration.ofSeconds(10))
				.withThrowableThat()
				.withStackTraceContaining("cursor_pkey");
		}
	}

	/**
	 * The client sends the claim and is never heard of again: it does not even read the
	 * answer.
	 */
	@Test
	void aClientThatVanishesDuringItsClaimHoldsNoLane() throws Exception {
		TestEngine own = TestEngine.of(this.database);
		own.send(1);
		try (Session holder = Session.begin(this.database);
				Session vanishing = new Session(this.database.directDataSource())) {
			// The claim waits here, inside the statement, and its client goes away
			// meanwhile.
			holder.execute("LOCK TABLE pgqueue.lease IN ACCESS EXCLUSIVE MODE");
			CompletableFuture<Void> lost = vanishing.blocked(this.database, () -> {
				claim(own, vanishing);
				return null;
			});
			vanishing.connection().abort(Runnable::run);
			assertThat(lost).failsWithin(Duration.ofSeconds(10));
			holder.commit();
		}
		own.send(1);
		Await.until("somebody else can claim", Duration.ofSeconds(10), () -> !own.claim(10).messages().isEmpty());
	}

	@Test
	void aKeyShareLockOnTheLaneSuchAsAForeignKeyTakesStopsNoClaim() {
		long id = this.engine.send();
		try (Session other = Session.begin(this.database)) {
			other.execute("SELECT 1 FROM pgqueue.lane WHERE subscription_id = " + this.engine.queue.subscriptionId()
					+ " FOR KEY SHARE");
			Claim claim = this.engine.claim(10);
			assertThat(claim.busy()).isFalse();
			assertThat(TestEngine.ids(claim)).containsExactly(id);
		}
	}

	@Test
	void aClaimThatLockedTheLaneForUpdateWouldBeStoppedByAKeyShareLock() {
		TestEngine broken = TestEngine.changed(this.database, "claim",
				TestEngine.replacing("FOR NO KEY UPDATE SKIP LOCKED", "FOR UPDATE SKIP LOCKED"));
		broken.send();
		try (Session other = Session.begin(this.database)) {
			other.execute(broken.sql("SELECT 1 FROM $.lane FOR KEY SHARE"));
			assertThat(broken.claim(10).busy()).isTrue();
		}
	}

	private List<Long> claim(TestEngine claiming, Session session) {
		return claim(claiming, session, claiming.worker);
	}

	private List<Long> claim(TestEngine claiming, Session session, long worker) {
		return session.jdbc()
			.sql(claiming.sql("SELECT id FROM $.claim(?, 77, ?, ?, 10, 1000000, '-infinity') WHERE id IS NOT NULL"))
			.params(worker, claiming.queue.queueId(), claiming.queue.subscriptionId())
			.query(Long.class)
			.list();
	}

	private int lanesThatCanBeLocked() {
		return this.engine.jdbc()
			.sql("SELECT 1 FROM pgqueue.lane WHERE subscription_id = ? FOR NO KEY UPDATE SKIP LOCKED")
			.param(this.engine.queue.subscriptionId())
			.query(Integer.class)
			.list()
			.size();
	}

	private String state(Session session) {
		return this.database.jdbc()
			.sql("SELECT state FROM pg_stat_activity WHERE pid = ?")
			.param(session.pid())
			.query(String.class)
			.single();
	}

	private void setDefaultIsolation(String isolation) {
		this.database.jdbc()
			.sql("ALTER DATABASE " + this.database.name() + " SET default_transaction_isolation = '" + isolation + "'")
			.update();
	}

}
