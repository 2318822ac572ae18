package io.pgqueue.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a claim reads does not grow with what was consumed, is uncommitted or is waiting
 * (review B1). Measured in blocks, because those do not depend on the machine.
 */
@PgQueueDatabase
class ClaimCostIntegrationTests {

	/**
	 * A claim of one message reads 35, an idle poll 15.
	 */
	private static final long CHEAP = 150;

	/**
	 * Walking over a hundred thousand messages reads 1500.
	 */
	private static final long EXPENSIVE = 1_000;

	private final TestDatabase database;

	private final List<Session> open = new ArrayList<>();

	private int lease = 1_000_000;

	ClaimCostIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@AfterEach
	void close() {
		this.open.forEach(Session::close);
	}

	@Test
	void aClaimBehindManyConsumedMessagesAndAnOldWriterIsCheap() {
		assertThat(costBehindConsumedMessagesAndAnOldWriter(TestEngine.of(this.database), 300_000)).isLessThan(CHEAP);
	}

	@Test
	void aWindowReadAsOneRangeFromTheOldWriterOnWouldReadAllOfThemAgain() {
		TestEngine broken = TestEngine.changed(this.database, "claim_log", TestEngine
			.replacing("v_from_xid := pg_snapshot_xmax(v_cursor.base)", "v_from_xid := pg_snapshot_xmin(v_cursor.base)")
			.andThen(TestEngine.replacing("x.xid >= v_cursor.position_xid AND", "false AND"))
			.andThen(TestEngine.replacing("AND m.xid < pg_snapshot_xmax(v_cursor.horizon)",
					"AND NOT pg_visible_in_snapshot(m.xid, v_cursor.base) AND m.xid < pg_snapshot_xmax(v_cursor.horizon)"))::apply);
		assertThat(costBehindConsumedMessagesAndAnOldWriter(broken, 100_000)).isGreaterThan(EXPENSIVE);
	}

	@Test
	void besideAnOpenBulkSenderOnlyTheFirstClaimOfOthersIsExpensive() {
		TestEngine engine = TestEngine.of(this.database);
		engine.drain();
		Session bulk = begin();
		engine.sendMany(bulk, 100_000);
		Session session = warm(engine);
		engine.send();
		claim(engine, session);
		for (int i = 0; i < 5; i++) {
			engine.send();
			assertThat(claim(engine, session)).as("claim %s", i).isLessThan(CHEAP);
		}
		bulk.rollback();
	}

	@Test
	void besideAnOpenBulkSenderOnlyTheFirstIdlePollIsExpensive() {
		TestEngine engine = TestEngine.of(this.database);
		List<Long> costs = costOfIdlePollsBesideABulkSender(engine);
		assertThat(costs.get(0)).as("the first poll walks over the rows").isGreaterThan(EXPENSIVE);
		assertThat(costs.subList(1, costs.size())).as("all polls: %s", costs).allMatch((cost) -> cost < CHEAP);
		assertThat(engine.drain(100_000)).as("what the bulk sender commits in the end").hasSize(100_000);
	}

	@Test
	void aCursorThatStayedWhereItIsWouldMakeEveryIdlePollExpensive() {
		TestEngine broken = TestEngine.changed(this.database, "claim",
				TestEngine.replacing("v_move := NOT v_log AND", "v_move := false AND"));
		assertThat(costOfIdlePollsBesideABulkSender(broken)).allMatch((cost) -> cost > EXPENSIVE);
	}

	@Test
	void transactionsOfOthersThatEndBetweenClaimsCostOneProbeEach() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send();
		Session session = warm(engine);
		for (int i = 0; i < 100; i++) {
			begin().execute("SELECT pg_current_xact_id()");
		}
		engine.send();
		assertThat(claim(engine, session)).as("while they run, they are not even probed").isLessThan(CHEAP);
		this.open.stream().filter((one) -> one != session).forEach(Session::commit);
		engine.send();
		assertThat(claim(engine, session)).isLessThan(100 * 5 * 6 + CHEAP);
		engine.send();
		assertThat(claim(engine, session)).isLessThan(CHEAP);
	}

	@Test
	void underAHeldHorizonDueRetriesAreFoundWithoutWalkingOverDeadOnes() {
		TestEngine engine = TestEngine.of(this.database);
		engine.drain();
		Session session = warm(engine);
		begin("REPEATABLE READ").execute("SELECT 1 FROM pgqueue.queue");
		session.execute(
				"INSERT INTO pgqueue.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, "
						+ "payload) SELECT " + engine.queue.subscriptionId() + ", n, " + engine.queue.queueId()
						+ ", 0, 1, 1, now() - interval '1 hour', now(), '1' FROM generate_series(1, 100000) n");
		session.execute("DELETE FROM pgqueue.retry WHERE subscription_id = " + engine.queue.subscriptionId());
		assertThat(Explained.blocks(session, claimSql(engine))).as("a full look").isGreaterThan(EXPENSIVE);
		assertThat(Explained.blocks(session, claimSql(engine).replace("'-infinity'", "now() - interval '2 s'")))
			.as("a look from the low-water mark")
			.isLessThan(CHEAP);
	}

	@Test
	void underAHeldHorizonReconciliationFromTheLowestLeaseInHandReadsOnlyWhatIsNew() {
		TestEngine engine = TestEngine.of(this.database);
		Session session = warm(engine);
		begin("REPEATABLE READ").execute("SELECT 1 FROM pgqueue.queue");
		session.execute("INSERT INTO pgqueue.lease (worker_id, n, subscription_id, queue_id, lane, xids, ids) SELECT "
				+ engine.worker + ", 5000000 + n, 1, 1, 0, '{1}', '{1}' FROM generate_series(1, 100000) n");
		session.execute("DELETE FROM pgqueue.lease WHERE worker_id = " + engine.worker);
		String reconcile = "SELECT pgqueue.reconcile(" + engine.worker + ", %d, 9000000, '{}')";
		Explained.blocks(session, reconcile.formatted(6_000_000));
		assertThat(Explained.blocks(session, reconcile.formatted(1))).isGreaterThan(EXPENSIVE);
		assertThat(Explained.blocks(session, reconcile.formatted(6_000_000))).isLessThan(CHEAP);
	}

	/**
	 * As many claims as a million messages need in full batches. Indexes may grow by a
	 * level; walking over what is dead would add half as much again.
	 */
	@Test
	void underAHeldHorizonBatchesAreClaimedAndAcknowledgedForTheSameBlocks() {
		assertThat(growthUnderAHeldHorizon(2_000)).isLessThan(1.15);
	}

	private double growthUnderAHeldHorizon(int claims) {
		TestEngine engine = TestEngine.of(this.database);
		Session session = warm(engine);
		double before = blocksOfBatches(engine, session);
		begin("REPEATABLE READ").execute("SELECT 1 FROM pgqueue.queue");
		for (int i = 0; i < claims; i++) {
			engine.send();
			session.execute(claimSql(engine));
			session.execute(settleSql(engine));
		}
		return blocksOfBatches(engine, session) / before;
	}

	/**
	 * Of the cheapest of several, because now and then one adds a page.
	 */
	private double blocksOfBatches(TestEngine engine, Session session) {
		return IntStream.range(0, 9).mapToLong((i) -> {
			engine.send(500);
			long claim = Explained.blocks(session, claimSql(engine).replace(", 10, 1000000,", ", 500, 1000000,"));
			return claim + Explained.blocks(session, settleSql(engine));
		}).min().orElseThrow();
	}

	private String settleSql(TestEngine engine) {
		return engine.sql("SELECT count(*) FROM $.settle_alone(" + engine.worker + ", ARRAY[" + this.lease
				+ "], '{}', '{}', '{}', '{}')");
	}

	/**
	 * Compared with a queue that has consumed nothing, because the machine may be busy.
	 * On a quiet one a claim takes 0.3 ms.
	 */
	@Test
	@Tag("long")
	void aClaimBehindAMillionConsumedMessagesIsAsCheapAsOneBehindNone() {
		TestEngine fresh = TestEngine.of(this.database);
		TestEngine engine = TestEngine.of(this.database);
		consume(engine, 1_000_000);
		Session session = warm(engine);
		warm(fresh);
		assertThat(medianOfClaims(engine, session)).as("milliseconds")
			.isLessThan(Math.max(2, 3 * medianOfClaims(fresh, session)));
		for (int i = 0; i < 150; i++) {
			begin().execute("SELECT pg_current_xact_id()");
		}
		assertThat(medianOfClaims(engine, session)).as("milliseconds beside 150 transactions")
			.isLessThan(Math.max(2, 3 * medianOfClaims(fresh, session)));
		engine.send();
		assertThat(claim(engine, session)).isLessThan(CHEAP);
	}

	private double medianOfClaims(TestEngine engine, Session session) {
		return Explained.medianMillis(101, () -> {
			engine.send();
			session.execute(claimSql(engine));
		});
	}

	private long costBehindConsumedMessagesAndAnOldWriter(TestEngine engine, int count) {
		begin().execute("SELECT pg_current_xact_id()");
		// A claim, so that the old writer is in base.
		engine.send();
		engine.drain();
		consume(engine, count);
		Session session = warm(engine);
		engine.send();
		return claim(engine, session);
	}

	/**
	 * Polls as if there were more than five seconds between them.
	 */
	private List<Long> costOfIdlePollsBesideABulkSender(TestEngine engine) {
		engine.send();
		Session session = warm(engine);
		Session bulk = begin();
		engine.sendMany(bulk, 100_000);
		List<Long> costs = new ArrayList<>();
		for (int i = 0; i < 5; i++) {
			this.database.jdbc()
				.sql(engine.sql("UPDATE $.cursor SET created_at = created_at - interval '1 minute' "
						+ "WHERE subscription_id = ?"))
				.param(engine.queue.subscriptionId())
				.update();
			costs.add(claim(engine, session));
		}
		bulk.commit();
		return costs;
	}

	/**
	 * Sends many and claims and settles them, all inside the server.
	 */
	private void consume(TestEngine engine, int count) {
		try (Session session = new Session(this.database.directDataSource())) {
			for (int left = count; left > 0; left -= 100_000) {
				engine.sendMany(session, Math.min(left, 100_000));
			}
			session.jdbc()
				.sql(engine.sql("SELECT count(*) FROM $.claim(?, ?, ?, ?, 10000000, 10000000000, '-infinity')"))
				.params(engine.worker, ++this.lease, engine.queue.queueId(), engine.queue.subscriptionId())
				.query(Long.class)
				.single();
			assertThat(session.jdbc()
				.sql(engine.sql("SELECT sum(cardinality(ids)) FROM $.lease WHERE worker_id = ? AND n = ?"))
				.params(engine.worker, this.lease)
				.query(Long.class)
				.single()).isEqualTo(count);
			session.execute(engine.sql("DELETE FROM $.lease WHERE n = " + this.lease));
		}
	}

	/**
	 * A session whose plans are cached.
	 */
	private Session warm(TestEngine engine) {
		Session session = new Session(this.database.directDataSource());
		this.open.add(session);
		for (int i = 0; i < 3; i++) {
			engine.send();
			claim(engine, session);
		}
		claim(engine, session);
		return session;
	}

	private long claim(TestEngine engine, Session session) {
		return Explained.blocks(session, claimSql(engine));
	}

	private String claimSql(TestEngine engine) {
		return engine.sql("SELECT count(*) FROM $.claim(" + engine.worker + ", " + ++this.lease + ", "
				+ engine.queue.queueId() + ", " + engine.queue.subscriptionId() + ", 10, 1000000, '-infinity')");
	}

	private Session begin() {
		return begin("READ COMMITTED");
	}

	private Session begin(String isolation) {
		Session session = Session.begin(this.database, isolation);
		this.open.add(session);
		return session;
	}

}
