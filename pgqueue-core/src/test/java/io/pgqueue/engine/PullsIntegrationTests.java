package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Pulls.Marks;
import io.pgqueue.engine.Pulls.Pull;
import io.pgqueue.engine.Pulls.PullRequest;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Messages that are held for a limited time: who gives them back, when, and what that
 * costs.
 */
@PgQueueDatabase
class PullsIntegrationTests {

	private static final long CHEAP = 200;

	private static final long EXPENSIVE = 1_000;

	private final TestDatabase database;

	private final AtomicLong numbers = new AtomicLong(1);

	PullsIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void everyMessageHasALeaseOfItsOwnAndOneRowSaysHowLongAllAreHeld() {
		TestEngine engine = TestEngine.of(this.database);
		long[] ids = engine.send(3);
		Pull pull = pull(engine, 10, 60_000);
		assertThat(pull.messages()).extracting(ClaimedMessage::id).containsExactly(ids[0], ids[1], ids[2]);
		assertThat(pull.messages()).extracting(ClaimedMessage::lease).doesNotHaveDuplicates();
		assertThat(rows(engine)).isOne();
	}

	@Test
	void anEmptyPullLeavesNoRow() {
		TestEngine engine = TestEngine.of(this.database);
		assertThat(pull(engine, 10, 60_000).messages()).isEmpty();
		assertThat(rows(engine)).isZero();
	}

	@Test
	void aRowThatIsLookedAtGoesWhenEverythingIsSettledAndComesBackRarerWhileSomethingIsHeld() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(2);
		Pull pull = pull(engine, 2, 86_400_000);
		assertThat(secondsToLook(engine)).isBetween(50.0, 60.0);
		engine.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), pulled_at = pulled_at - interval '1 hour' "
					+ "WHERE subscription_id = ?")
			.param(engine.queue.subscriptionId())
			.update();
		assertThat(returnOverdue(engine)).isZero();
		assertThat(secondsToLook(engine)).as("after an hour, another hour").isBetween(3_590.0, 3_610.0);
		engine.leases.settle(pull.receiver(), pull.messages().stream().map(ClaimedMessage::lease).toList(), List.of(),
				List.of());
		look(engine);
		assertThat(returnOverdue(engine)).isZero();
		assertThat(rows(engine)).isZero();
	}

	@Test
	void whatSomebodyIsJustExtendingIsPassedOver() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(1);
		Pull pull = pull(engine, 1, 1_000);
		expire(engine);
		try (Session session = Session.begin(this.database)) {
			assertThat(extend(engine, session, pull)).isTrue();
			assertThat(returnOverdue(engine)).isZero();
			session.commit();
		}
		look(engine);
		assertThat(returnOverdue(engine)).isZero();
		assertThat(engine.retried()).isEmpty();
		assertThat(rows(engine)).as("the extension").isOne();
	}

	@Test
	void whatSomebodyIsJustSettlingIsPassedOverAndGivenBackIfThatIsUndone() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(2);
		Pull pull = pull(engine, 2, 1_000);
		expire(engine);
		try (Session session = Session.begin(this.database)) {
			session.jdbc()
				.sql("SELECT * FROM pgqueue.settle(?, ARRAY[?], '{}', '{}', '{}', '{}')")
				.params(pull.receiver(), pull.messages().get(0).lease())
				.query()
				.listOfRows();
			assertThat(returnOverdue(engine)).isOne();
			session.rollback();
		}
		expire(engine);
		assertThat(returnOverdue(engine)).isOne();
		assertThat(engine.retried()).hasSize(2);
		assertThat(rows(engine)).isZero();
	}

	@Test
	void whatSomebodyElseIsGivingBackIsPassedOver() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(1);
		pull(engine, 1, 1_000);
		expire(engine);
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT * FROM pgqueue.return_overdue(NULL, 10, '-infinity')");
			assertThat(returnOverdue(engine)).isZero();
			session.commit();
		}
		assertThat(engine.retried()).hasSize(1);
	}

	@Test
	void anExtensionCountsMoreThanTheRowOfTheReceipt() {
		assertThat(returnedAlthoughExtended(TestEngine.of(this.database))).isZero();
	}

	@Test
	void ofTwoExtensionsTheNewerCounts() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(1);
		Pull pull = pull(engine, 1, 1_000);
		Pulls pulls = new Pulls(engine.database);
		pulls.extend(pull.receiver(), held(pull), false, 1_000);
		expire(engine);
		pulls.extend(pull.receiver(), held(pull), false, 60_000);
		assertThat(returnOverdue(engine)).isZero();
		assertThat(rows(engine)).as("the newer extension").isOne();
	}

	@Test
	void withoutThatAnExtendedMessageWouldBeGivenBack() {
		assertThat(returnedAlthoughExtended(TestEngine.changed(this.database, "still_pulled",
				TestEngine.replacing("AND NOT EXISTS (", "AND NOT EXISTS (SELECT 1 WHERE false) OR EXISTS ("))))
			.isOne();
	}

	@Test
	void underAHeldHorizonReceivesAndLooksForOverdueMessagesDoNotWalkOverDeadRows() {
		TestEngine engine = TestEngine.of(this.database);
		long receiver = new Pulls(engine.database).register("test");
		try (Session session = new Session(this.database.directDataSource());
				Session holder = Session.begin(this.database, "REPEATABLE READ")) {
			for (int i = 0; i < 3; i++) {
				engine.send();
				Explained.blocks(session, receive(engine, receiver, "'-infinity'"));
				Explained.blocks(session, overdue(engine, "'-infinity'"));
			}
			holder.execute("SELECT 1 FROM pgqueue.queue");
			session
				.execute("INSERT INTO pgqueue.pulled (subscription_id, look_at, worker_id, n, last_n, id, pulled_at, "
						+ "held_until) SELECT " + engine.queue.subscriptionId() + ", now() - interval '1 hour', "
						+ receiver
						+ ", 1000000 + n, 1000000 + n, 0, now() - interval '1 hour', now() FROM generate_series(1, 100000) n");
			session.execute("DELETE FROM pgqueue.pulled WHERE n > 1000000");
			engine.send();
			assertThat(Explained.blocks(session, receive(engine, receiver, "'-infinity'"))).as("a full look")
				.isGreaterThan(EXPENSIVE);
			assertThat(Explained.blocks(session, overdue(engine, "'-infinity'"))).as("a full look")
				.isGreaterThan(EXPENSIVE);
			engine.send();
			assertThat(Explained.blocks(session, receive(engine, receiver, "now() - interval '2 s'")))
				.as("a receive from the low-water mark")
				.isLessThan(CHEAP);
			assertThat(Explained.blocks(session, overdue(engine, "now() - interval '2 s'")))
				.as("a look from the low-water mark")
				.isLessThan(CHEAP);
		}
	}

	@Test
	void theMarkStaysBehindWhatIsStillToBeLookedAt() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(2);
		pull(engine, 1, 60_000);
		OffsetDateTime before = now(engine);
		Marks marks = pull(engine, 1, 60_000).marks();
		assertThat(marks.lookFrom()).isBetween(before.minusSeconds(3), before);
		expire(engine);
		try (Workers workers = engine.workers()) {
			assertThat(workers.returnOverdue(marks.lookFrom()).messages()).isEqualTo(2);
			assertThat(workers.returnOverdue(marks.lookFrom()).messages()).isZero();
		}
	}

	private int returnedAlthoughExtended(TestEngine engine) {
		engine.send(1);
		Pull pull = pull(engine, 1, 1_000);
		assertThat(new Pulls(engine.database).extend(pull.receiver(), held(pull), false, 60_000)).isTrue();
		engine.jdbc()
			.sql(engine
				.sql("UPDATE $.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() WHERE id = 0 "
						+ "AND subscription_id = ?"))
			.param(engine.queue.subscriptionId())
			.update();
		return returnOverdue(engine);
	}

	private Pull pull(TestEngine engine, int limit, long millis) {
		Pulls pulls = new Pulls(engine.database);
		return pulls
			.receive(new PullRequest(pulls.register("test"), this.numbers.getAndAdd(100), engine.queue.name(), limit,
					TestEngine.BYTES, millis, Marks.NONE))
			.orElseThrow();
	}

	private static Held held(Pull pull) {
		return new Held(pull.messages().get(0).lease(), pull.messages().get(0).id());
	}

	private static boolean extend(TestEngine engine, Session session, Pull pull) {
		return session.jdbc()
			.sql(engine.sql("SELECT $.extend(?, ?, ?, false, 60000)"))
			.params(pull.receiver(), held(pull).lease(), held(pull).id())
			.query(Boolean.class)
			.single();
	}

	private static int returnOverdue(TestEngine engine) {
		return new Pulls(engine.database).returnOverdue(engine.queue.name(), OffsetDateTime.MIN);
	}

	private static void expire(TestEngine engine) {
		engine.jdbc()
			.sql(engine.sql("UPDATE $.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() "
					+ "WHERE subscription_id = ?"))
			.param(engine.queue.subscriptionId())
			.update();
	}

	private static void look(TestEngine engine) {
		engine.jdbc()
			.sql(engine.sql("UPDATE $.pulled SET look_at = clock_timestamp() WHERE subscription_id = ?"))
			.param(engine.queue.subscriptionId())
			.update();
	}

	private String receive(TestEngine engine, long receiver, String from) {
		return "SELECT count(*) FROM pgqueue.receive(" + receiver + ", " + this.numbers.getAndAdd(100) + ", '"
				+ engine.queue.name() + "', 10, 1000000, 60000, '-infinity', " + from + ")";
	}

	private static String overdue(TestEngine engine, String from) {
		return "SELECT count(*) FROM pgqueue.return_overdue('" + engine.queue.name() + "', 1000, " + from + ")";
	}

	private static OffsetDateTime now(TestEngine engine) {
		return engine.jdbc().sql("SELECT clock_timestamp()").query(OffsetDateTime.class).single();
	}

	private static double secondsToLook(TestEngine engine) {
		return engine.jdbc()
			.sql("SELECT extract(epoch FROM look_at - clock_timestamp())::float8 FROM pgqueue.pulled "
					+ "WHERE subscription_id = ?")
			.param(engine.queue.subscriptionId())
			.query(Double.class)
			.single();
	}

	private static long rows(TestEngine engine) {
		return engine.jdbc()
			.sql(engine.sql("SELECT count(*) FROM $.pulled WHERE subscription_id = ?"))
			.param(engine.queue.subscriptionId())
			.query(Long.class)
			.single();
	}

}
