package io.pgqueue.engine;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import io.pgqueue.engine.Pulls.Marks;
import io.pgqueue.engine.Pulls.PullRequest;
import io.pgqueue.engine.Workers.Surroundings;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * One look for all subscriptions of a process.
 */
@PgQueueDatabase
class LookAroundIntegrationTests {

	private static final long CHEAP = 150;

	private static final long EXPENSIVE = 500;

	private final TestDatabase database;

	private final TestEngine engine;

	private final TestEngine withMessages;

	private final Workers workers;

	LookAroundIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.withMessages = TestEngine.of(database);
		this.workers = this.engine.workers();
	}

	@BeforeEach
	void empty() {
		List.of("retry", "scheduled", "pulled")
			.forEach((table) -> this.engine.jdbc().sql("DELETE FROM pgqueue." + table).update());
		// A look reads all workers.
		this.engine.jdbc()
			.sql("DELETE FROM pgqueue.worker WHERE id NOT IN (?, ?)")
			.params(this.engine.worker, this.withMessages.worker)
			.update();
	}

	@AfterEach
	void close() {
		this.workers.close();
	}

	@Test
	void namesTheSubscriptionsThatHoldAMessageAndNoOthers() {
		TestEngine idle = TestEngine.of(this.database);
		TestEngine notAsked = TestEngine.of(this.database);
		this.engine.send();
		notAsked.send();
		assertThat(look(this.engine, idle).subscriptions()).containsExactly(subscription(this.engine));
		this.engine.drain();
		assertThat(look(this.engine, idle).subscriptions()).isEmpty();
	}

	@Test
	void seesAMessageWhenItIsCommittedAndNotBefore() {
		try (Session sender = Session.begin(this.database)) {
			this.engine.send(sender);
			// Moves the cursor past the open transaction.
			this.engine.send();
			this.engine.drain();
			assertThat(look(this.engine).subscriptions()).isEmpty();
			sender.commit();
			assertThat(look(this.engine).subscriptions()).hasSize(1);
		}
	}

	@Test
	void seesWhatIsLeftOfAWindow() {
		this.engine.send(2);
		this.engine.claim(1);
		assertThat(look(this.engine).subscriptions()).hasSize(1);
		this.engine.drain();
		assertThat(look(this.engine).subscriptions()).isEmpty();
	}

	@Test
	void seesRetriesThatAreDueAndInNobodysHands() {
		retry(1, "1 hour", "NULL");
		retry(2, "-1 s", "5");
		assertThat(look(this.engine).subscriptions()).isEmpty();
		retry(3, "-1 s", "NULL");
		assertThat(look(this.engine).subscriptions()).hasSize(1);
	}

	@Test
	void theMarkForTheNextLookFallsTenSecondsBehindTheDatabaseAndWhatIsOlderIsSeenWithoutIt() {
		OffsetDateTime mark = look(this.engine).dueFrom();
		assertThat(this.engine.jdbc()
			.sql("SELECT extract(epoch FROM clock_timestamp() - ?)::float8")
			.param(mark)
			.query(Double.class)
			.single()).isBetween(10.0, 15.0);
		retry(1, "-1 min", "NULL");
		assertThat(lookFrom(mark, this.engine).subscriptions()).isEmpty();
		assertThat(look(this.engine).subscriptions()).hasSize(1);
		retry(2, "-1 s", "NULL");
		assertThat(lookFrom(mark, this.engine).subscriptions()).hasSize(1);
	}

	@Test
	void tellsWhenTheNextScheduledMessageIsDueOrHowLongItIsOverdue() {
		assertThat(look().nextDue()).isNull();
		schedule("1 hour");
		schedule("2 hours");
		assertThat(look().nextDue()).isBetween(Duration.ofMinutes(59), Duration.ofMinutes(60));
		schedule("-1 min");
		assertThat(look().nextDue()).isBetween(Duration.ofSeconds(-90), Duration.ofSeconds(-60));
	}

	@ParameterizedTest
	@CsvSource({ "infinity, PT24H", "9999-12-31, PT24H", "-infinity, PT-24H", "0001-01-01, PT-24H" })
	void aScheduledMessageOfAnotherAgeDisturbsNobody(String due, Duration told) {
		schedule("1 s");
		this.engine.jdbc().sql("UPDATE pgqueue.scheduled SET due_at = ?::timestamptz").param(due).update();
		assertThat(look().nextDue()).isBetween(told.minusSeconds(10), told.plusSeconds(10));
	}

	@Test
	void tellsWhetherReceivedMessagesAreOverdueWhoseverTheyAre() {
		this.engine.send();
		Pulls pulls = new Pulls(this.engine.database);
		pulls.receive(new PullRequest(pulls.register("test"), 1, this.engine.queue.name(), 1, TestEngine.BYTES, 60_000,
				Marks.NONE));
		assertThat(look().overdue()).isFalse();
		this.engine.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp()")
			.update();
		assertThat(look().overdue()).isTrue();
		this.workers.returnOverdue(OffsetDateTime.MIN);
		assertThat(look().overdue()).isFalse();
	}

	@Test
	void takesNoTransactionIdWhateverThereIs() {
		everythingThereIs();
		try (Session session = Session.begin(this.database)) {
			assertThat(rows(session)).isGreaterThan(3);
			assertThat(
					session.jdbc().sql("SELECT pg_current_xact_id_if_assigned() IS NULL").query(Boolean.class).single())
				.isTrue();
		}
	}

	@Test
	void waitsForNoLockOfARow() {
		everythingThereIs();
		try (Session locking = Session.begin(this.database); Session session = Session.begin(this.database)) {
			List.of("lane", "cursor", "retry", "scheduled", "pulled", "worker", "heartbeat", "lease", "message")
				.forEach((table) -> locking.execute("SELECT 1 FROM pgqueue." + table + " FOR UPDATE"));
			session.execute("SET LOCAL lock_timeout = 1");
			assertThat(rows(session)).isGreaterThan(3);
		}
	}

	@Test
	void underAHeldHorizonALookFromTheMarkDoesNotWalkOverDeadRows() {
		try (Session session = new Session(this.database.directDataSource());
				Session holder = Session.begin(this.database, "REPEATABLE READ")) {
			warm(session);
			holder.execute("SELECT 1 FROM pgqueue.queue");
			String past = "now() - interval '1 hour'";
			session.execute("INSERT INTO pgqueue.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, "
					+ "enqueued_at, payload) SELECT " + subscription(this.engine) + ", n, 1, 0, 1, 1, " + past
					+ ", now(), '1' FROM generate_series(1, 50000) n");
			session.execute("DELETE FROM pgqueue.retry");
			assertLooksFromTheMarkAreCheap(session);
			session.execute("INSERT INTO pgqueue.scheduled (queue_id, due_at, enqueued_at, size, payload) SELECT 1, "
					+ past + ", now(), 1, '1' FROM generate_series(1, 50000) n");
			session.execute("DELETE FROM pgqueue.scheduled");
			assertLooksFromTheMarkAreCheap(session);
			session.execute("INSERT INTO pgqueue.pulled (subscription_id, look_at, worker_id, n, last_n, id, "
					+ "pulled_at, held_until) SELECT " + subscription(this.engine) + ", " + past
					+ ", 1, n, n, 0, now(), now() FROM generate_series(1, 50000) n");
			session.execute("DELETE FROM pgqueue.pulled");
			assertLooksFromTheMarkAreCheap(session);
		}
	}

	private void assertLooksFromTheMarkAreCheap(Session session) {
		assertThat(Explained.blocks(session, sql("'-infinity'"))).as("a full look").isGreaterThan(EXPENSIVE);
		assertThat(Explained.blocks(session, sql("now() - interval '10 s'"))).as("a look from the mark")
			.isLessThan(CHEAP);
		session.execute("TRUNCATE pgqueue.retry, pgqueue.scheduled, pgqueue.pulled");
	}

	@Test
	void behindManyConsumedMessagesALookIsCheap() {
		try (Session session = new Session(this.database.directDataSource())) {
			this.engine.sendMany(session, 100_000);
			assertThat(this.engine.drain(50_000)).hasSize(100_000);
			warm(session);
			assertThat(Explained.blocks(session, sql("'-infinity'"))).isLessThan(CHEAP);
		}
	}

	@Test
	void besideAnOpenBulkSenderTheOwnerOfTheCursorIsWokenToMoveIt() {
		this.engine.send();
		this.engine.drain();
		try (Session bulk = Session.begin(this.database);
				Session session = new Session(this.database.directDataSource())) {
			this.engine.sendMany(bulk, 100_000);
			assertThat(look(this.engine).subscriptions()).as("the cursor was moved just now").isEmpty();
			this.engine.jdbc()
				.sql("UPDATE pgqueue.cursor SET created_at = created_at - interval '1 min' WHERE subscription_id = ?")
				.param(subscription(this.engine))
				.update();
			assertThat(look(this.engine).subscriptions()).hasSize(1);
			assertThat(this.engine.drain()).isEmpty();
			warm(session);
			assertThat(Explained.blocks(session, sql("'-infinity'"))).isLessThan(CHEAP);
		}
	}

	/**
	 * Something of each kind, in the hands of a worker and not.
	 */
	private void everythingThereIs() {
		this.withMessages.send(3);
		this.withMessages.claim(1);
		retry(1, "-1 s", "NULL");
		retry(2, "-1 s", "5");
		schedule("-1 s");
		Pulls pulls = new Pulls(this.engine.database);
		pulls.receive(new PullRequest(pulls.register("test"), 1, this.withMessages.queue.name(), 1, TestEngine.BYTES, 1,
				Marks.NONE));
	}

	private Surroundings look(TestEngine... engines) {
		return lookFrom(OffsetDateTime.MIN, engines);
	}

	private Surroundings lookFrom(OffsetDateTime mark, TestEngine... engines) {
		Map<Integer, Integer> subscriptions = new HashMap<>();
		for (TestEngine one : engines) {
			subscriptions.put(subscription(one), one.queue.queueId());
		}
		return this.workers.lookAround(this.engine.worker, subscriptions, mark);
	}

	private static int subscription(TestEngine engine) {
		return engine.queue.subscriptionId();
	}

	private long rows(Session session) {
		return session.jdbc()
			.sql("SELECT count(*) FROM pgqueue.look_around(0, ARRAY[?, ?], ARRAY[?, ?], '-infinity')")
			.params(this.engine.queue.queueId(), this.withMessages.queue.queueId(), subscription(this.engine),
					subscription(this.withMessages))
			.query(Long.class)
			.single();
	}

	private void warm(Session session) {
		for (int i = 0; i < 3; i++) {
			Explained.blocks(session, sql("'-infinity'"));
		}
	}

	private String sql(String from) {
		return "SELECT count(*) FROM pgqueue.look_around(0, ARRAY[" + this.engine.queue.queueId() + "], ARRAY["
				+ subscription(this.engine) + "], " + from + ")";
	}

	private void retry(long id, String dueIn, String worker) {
		this.engine.jdbc()
			.sql("INSERT INTO pgqueue.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, worker_id, n, "
					+ "enqueued_at, payload) VALUES (?, ?, ?, 0, 1, 1, clock_timestamp() + ?::interval, " + worker
					+ ", " + worker + ", now(), '1')")
			.params(subscription(this.engine), id, this.engine.queue.queueId(), dueIn)
			.update();
	}

	private void schedule(String dueIn) {
		this.engine.jdbc()
			.sql("INSERT INTO pgqueue.scheduled (queue_id, due_at, enqueued_at, size, payload) "
					+ "VALUES (?, clock_timestamp() + ?::interval, now(), 1, '1')")
			.params(this.engine.queue.queueId(), dueIn)
			.update();
	}

}
