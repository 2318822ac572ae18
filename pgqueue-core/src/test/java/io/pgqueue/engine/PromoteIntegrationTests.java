package io.pgqueue.engine;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

import io.pgqueue.engine.MessageLog.Timed;
import io.pgqueue.engine.MessageLog.Timing;
import io.pgqueue.engine.Promotions.Promotion;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Scheduled messages enter the log when they are due, and each of them once.
 */
@PgQueueDatabase
class PromoteIntegrationTests {

	private static final Timing IN_AN_HOUR = new Timing(null, Duration.ofHours(1).toNanos() / 1_000, null);

	/**
	 * A look at nothing reads five blocks.
	 */
	private static final long CHEAP = 100;

	private static final long EXPENSIVE = 200;

	private final TestDatabase database;

	private final TestEngine engine;

	private final Promotions promotions;

	PromoteIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.promotions = new Promotions(new Database(database.directDataSource(), TestDatabase.SCHEMA));
	}

	@BeforeEach
	void empty() {
		this.engine.jdbc().sql("DELETE FROM pgqueue.scheduled").update();
	}

	@Test
	void aMessageThatIsNotDueWaitsOutsideTheLog() {
		Timed timed = send(1, IN_AN_HOUR);
		assertThat(timed.dueMicros()).isEqualTo(3_600_000_000L);
		assertThat(scheduled()).containsExactly(timed.ids()[0]);
		Promotion promotion = promote();
		assertThat(promotion.queues()).isEmpty();
		assertThat(promotion.nextDueMicros()).isBetween(3_500_000_000L, 3_600_000_000L);
		assertThat(this.engine.claim(10).messages()).isEmpty();
	}

	@Test
	void aDueMessageEntersTheLogWithItsIdentityAndTheTimeOfItsSend() {
		long before = this.engine.send();
		long id = send(1, IN_AN_HOUR).ids()[0];
		OffsetDateTime sent = this.engine.jdbc()
			.sql("SELECT enqueued_at FROM pgqueue.scheduled WHERE id = ?")
			.param(id)
			.query(OffsetDateTime.class)
			.single();
		makeDue(id, "0 s");
		Promotion promotion = promote();
		assertThat(promotion.queues()).containsOnlyKeys(this.engine.queue.name()).containsValue(1L);
		assertThat(promotion.nextDueMicros()).isNull();
		assertThat(scheduled()).isEmpty();
		List<ClaimedMessage> claimed = this.engine.claim(10).messages();
		assertThat(claimed).extracting(ClaimedMessage::id).containsExactly(before, id);
		assertThat(claimed.get(1).enqueuedAt()).isEqualTo(sent.toInstant());
		assertThat(claimed.get(1).attempt()).isOne();
	}

	@Test
	void whatIsDueNowOrWasDueBeforeGoesToTheLogAtOnce() {
		List<Long> ids = new ArrayList<>();
		for (Timing timing : List.of(new Timing(null, 0L, null),
				new Timing(OffsetDateTime.now().minusDays(1), null, null), new Timing(null, null, 60_000_000L))) {
			Timed timed = send(2, timing);
			assertThat(timed.dueMicros()).isNull();
			ids.addAll(TestEngine.list(timed.ids()));
		}
		assertThat(scheduled()).isEmpty();
		assertThat(this.engine.drain()).isEqualTo(ids);
	}

	@Test
	void aQueueThatDoesNotExistGetsNothing() {
		assertThat(
				this.engine.log.sendTimed("nowhere", List.of("1"), Collections.singletonList(null), IN_AN_HOUR).ids())
			.isEmpty();
		assertThat(scheduled()).isEmpty();
	}

	@Test
	void theEarliestAreFirstAndAPromotionTakesNotMoreThanItsLimit() {
		long[] ids = send(5, IN_AN_HOUR).ids();
		for (int i = 0; i < 5; i++) {
			makeDue(ids[i], i + " s");
		}
		Promotion first = this.promotions.promote(3, OffsetDateTime.MIN);
		assertThat(first.queues()).containsValue(3L);
		assertThat(first.nextDueMicros()).isZero();
		assertThat(scheduled()).containsExactlyInAnyOrder(ids[0], ids[1]);
		assertThat(this.promotions.promote(3, first.dueFrom()).queues()).containsValue(2L);
		assertThat(this.engine.drain()).hasSize(5);
	}

	@Test
	void severalQueuesAreToldApart() {
		TestEngine other = TestEngine.of(this.database);
		for (long id : send(2, IN_AN_HOUR).ids()) {
			makeDue(id, "0 s");
		}
		makeDue(other.log.sendTimed(other.queue.name(), List.of("1"), Collections.singletonList(null), IN_AN_HOUR)
			.ids()[0], "0 s");
		assertThat(promote().queues()).containsOnlyKeys(this.engine.queue.name(), other.queue.name())
			.containsEntry(this.engine.queue.name(), 2L)
			.containsEntry(other.queue.name(), 1L);
		assertThat(other.drain()).hasSize(1);
	}

	@Test
	void aLookThatFindsNothingDueTakesNoTransactionId() {
		send(1, IN_AN_HOUR);
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT pgqueue.promote(10, '-infinity')");
			assertThat(
					session.jdbc().sql("SELECT pg_current_xact_id_if_assigned() IS NULL").query(Boolean.class).single())
				.isTrue();
		}
	}

	/**
	 * The messages get the transaction id of the promotion, which must not count as read
	 * (review A1).
	 */
	@Test
	void aPromotionStoresNoSnapshot() {
		send(1, new Timing(null, 0L, null));
		assertThat(this.engine.drain()).hasSize(1);
		long cursors = this.engine.count("cursor");
		for (int round = 0; round < 5; round++) {
			long id = send(1, IN_AN_HOUR).ids()[0];
			makeDue(id, "0 s");
			try (Session promoting = Session.begin(this.database)) {
				promoting.execute("SELECT pgqueue.promote(10, '-infinity')");
				// A window that opens while the promotion is not committed.
				long plain = this.engine.send();
				assertThat(this.engine.drain()).containsExactly(plain);
				assertThat(this.engine.count("cursor")).isEqualTo(++cursors);
				promoting.commit();
			}
			assertThat(this.engine.count("cursor")).isEqualTo(cursors++);
			assertThat(this.engine.drain()).containsExactly(id);
		}
	}

	@Test
	void whatAnotherPromotionHoldsIsPassedOverAndComesBackIfThatOneIsKilled() {
		long[] ids = send(3, IN_AN_HOUR).ids();
		makeDue(ids[0], "2 s");
		makeDue(ids[1], "1 s");
		try (Session killed = Session.begin(this.database)) {
			killed.execute("SELECT pgqueue.promote(1, '-infinity')");
			Promotion promotion = promote();
			assertThat(promotion.queues()).containsValue(1L);
			assertThat(promotion.nextDueMicros()).as("what is locked is no reason to come back at once")
				.isGreaterThan(3_000_000_000L);
			assertThat(this.engine.drain()).containsExactly(ids[1]);
			this.engine.jdbc().sql("SELECT pg_terminate_backend(?)").param(killed.pid()).query(Boolean.class).single();
			Await.until("it is promoted from the mark on",
					() -> !this.promotions.promote(10, promotion.dueFrom()).queues().isEmpty());
		}
		assertThat(this.engine.drain()).containsExactly(ids[0]);
		assertThat(scheduled()).containsExactly(ids[2]);
	}

	@Test
	@Timeout(60)
	void manyPromotionsOfWhichSomeAreKilledMoveEveryMessageOnce() throws Exception {
		List<Long> ids = TestEngine.list(send(1_000, IN_AN_HOUR).ids());
		this.engine.jdbc()
			.sql("UPDATE pgqueue.scheduled SET due_at = clock_timestamp() + random() * interval '1 s'")
			.update();
		ExecutorService executor = Executors.newCachedThreadPool();
		List<Future<Integer>> workers = new ArrayList<>();
		try {
			for (int i = 0; i < 4; i++) {
				int seed = i;
				workers.add(executor.submit(() -> promoteAndDie(new Random(seed))));
			}
			int killed = 0;
			for (Future<Integer> worker : workers) {
				killed += worker.get();
			}
			assertThat(killed).as("promotions that were undone").isPositive();
		}
		finally {
			executor.shutdownNow();
		}
		assertThat(scheduled()).isEmpty();
		assertThat(this.engine.drain()).hasSize(1_000).containsExactlyInAnyOrderElementsOf(ids);
	}

	/**
	 * Promotes until nothing is left, and is killed before every third commit.
	 */
	private int promoteAndDie(Random random) {
		int killed = 0;
		while (this.engine.count("scheduled") > 0) {
			try (Session session = Session.begin(this.database)) {
				long moved = session.jdbc()
					.sql("SELECT coalesce(sum(promoted), 0) FROM pgqueue.promote(?, '-infinity')")
					.param(1 + random.nextInt(40))
					.query(Long.class)
					.single();
				if (moved > 0 && random.nextInt(3) == 0) {
					this.engine.jdbc()
						.sql("SELECT pg_terminate_backend(?)")
						.param(session.pid())
						.query(Boolean.class)
						.single();
					killed++;
				}
				else {
					session.commit();
				}
			}
		}
		return killed;
	}

	@Test
	void aSenderThatCommitsLateIsSeenFromTheMarkOn() {
		makeDue(send(1, IN_AN_HOUR).ids()[0], "0 s");
		OffsetDateTime mark = promote().dueFrom();
		long late = send(1, IN_AN_HOUR).ids()[0];
		makeDue(late, "5 s");
		assertThat(this.promotions.promote(10, mark).queues()).containsValue(1L);
		long tooLate = send(1, IN_AN_HOUR).ids()[0];
		makeDue(tooLate, "15 s");
		assertThat(this.promotions.promote(10, mark).queues()).as("that is for the full look").isEmpty();
		assertThat(promote().queues()).containsValue(1L);
		assertThat(this.engine.drain()).hasSize(3);
	}

	@Test
	void aPromotionThatWouldLoseMessagesIsRefused() {
		TestEngine broken = TestEngine.changed(this.database, "promote",
				TestEngine.replacing("WHERE r.id = 0", "WHERE r.id = 0 AND g.id % 2 = 0"));
		broken.log.sendTimed(broken.queue.name(), List.of("1", "2"), Collections.nCopies(2, null), IN_AN_HOUR);
		broken.jdbc().sql(broken.sql("UPDATE $.scheduled SET due_at = clock_timestamp()")).update();
		Promotions refused = new Promotions(new Database(this.database.directDataSource(), broken.schema));
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> refused.promote(10, OffsetDateTime.MIN))
			.satisfies((thrown) -> assertThat(TestEngine.sqlState(thrown)).isEqualTo("PGQ04"));
		assertThat(broken.count("scheduled")).isEqualTo(2);
	}

	@Test
	void aPromotionAtAnotherIsolationLevelIsRefused() {
		try (Session session = Session.begin(this.database, "REPEATABLE READ")) {
			assertThatExceptionOfType(RuntimeException.class)
				.isThrownBy(() -> session.execute("SELECT pgqueue.promote(10, '-infinity')"))
				.satisfies((thrown) -> assertThat(TestEngine.sqlState(thrown)).isEqualTo("PGQ01"));
		}
	}

	@Test
	void underAHeldHorizonALookFromTheMarkDoesNotWalkOverWhatWasPromoted() {
		promoteManyUnderAHeldHorizon(20_000);
	}

	@Test
	@Tag("long")
	void underAHeldHorizonAHundredThousandPromotedMessagesMakeNoLookExpensive() {
		promoteManyUnderAHeldHorizon(100_000);
	}

	private void promoteManyUnderAHeldHorizon(int count) {
		try (Session holder = Session.begin(this.database, "REPEATABLE READ");
				Session session = new Session(this.database.directDataSource())) {
			holder.execute("SELECT 1 FROM pgqueue.queue");
			session.execute("INSERT INTO pgqueue.scheduled (queue_id, due_at, enqueued_at, size, payload) SELECT "
					+ this.engine.queue.queueId()
					+ ", now() - interval '1 minute' - n * interval '1 ms', now(), 1, '1' " + "FROM generate_series(1, "
					+ count + ") n");
			OffsetDateTime mark = OffsetDateTime.MIN;
			Promotion promotion = this.promotions.promote(500, mark);
			long worst = 0;
			int rounds = 1;
			while (Long.valueOf(0).equals(promotion.nextDueMicros())) {
				mark = promotion.dueFrom();
				long started = System.nanoTime();
				promotion = this.promotions.promote(500, mark);
				worst = Math.max(worst, System.nanoTime() - started);
				rounds++;
			}
			assertThat(rounds).isEqualTo(count / 500);
			assertThat(Duration.ofNanos(worst)).as("the slowest promotion").isLessThan(Duration.ofSeconds(2));
			String look = "SELECT * FROM pgqueue.promote(500, '%s')";
			Explained.blocks(session, look.formatted(promotion.dueFrom()));
			assertThat(Explained.blocks(session, look.formatted(promotion.dueFrom()))).as("a look from the mark")
				.isLessThan(CHEAP);
			assertThat(Explained.blocks(session, look.formatted("-infinity"))).as("a full look")
				.isGreaterThan(EXPENSIVE);
		}
		this.engine.drain(10_000);
	}

	private Timed send(int count, Timing timing) {
		return this.engine.log.sendTimed(this.engine.queue.name(), Collections.nCopies(count, "{}"),
				Collections.nCopies(count, null), timing);
	}

	/**
	 * As if a message had been due for some time.
	 */
	private void makeDue(long id, String since) {
		this.engine.jdbc()
			.sql("UPDATE pgqueue.scheduled SET due_at = clock_timestamp() - ?::interval WHERE id = ?")
			.params(since, id)
			.update();
	}

	private Promotion promote() {
		return this.promotions.promote(500, OffsetDateTime.MIN);
	}

	private List<Long> scheduled() {
		return this.engine.jdbc().sql("SELECT id FROM pgqueue.scheduled ORDER BY due_at, id").query(Long.class).list();
	}

}
