package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;

import io.pgqueue.engine.Cancellations.Outcome;
import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.MessageLog.Timing;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Cancelling against claiming: who comes first has the message, and nobody else.
 */
@PgQueueDatabase
class CancellationIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	private final Cancellations cancellations;

	CancellationIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.cancellations = new Cancellations(this.engine.database);
	}

	@Test
	void aClaimPassesOverWhatWasCancelledAndForgetsIt() {
		long[] ids = this.engine.send(5);
		assertThat(cancel(ids[0])).isEqualTo(Outcome.CANCELLED);
		assertThat(cancel(ids[3])).isEqualTo(Outcome.CANCELLED);
		assertThat(skipped()).containsExactlyInAnyOrder(ids[0], ids[3]);
		Claim claim = this.engine.claim(2);
		assertThat(TestEngine.ids(claim)).containsExactly(ids[1], ids[2]);
		assertThat(claim.expired()).isZero();
		assertThat(TestEngine.ids(this.engine.claim(10))).containsExactly(ids[4]);
		assertThat(skipped()).isEmpty();
		assertThat(this.engine.retried()).isEmpty();
	}

	@Test
	void aClaimThatDoesNotReachACancelledMessageRemembersIt() {
		assertThat(idsAroundACancelledOne(this.engine)).isTrue();
		TestEngine forgetful = TestEngine.changed(this.database, "claim_log",
				TestEngine.replacing("CASE WHEN t.gone = 0 THEN v_cursor.skipped", "CASE WHEN t.gone = 0 THEN NULL"));
		assertThat(idsAroundACancelledOne(forgetful)).isFalse();
	}

	/**
	 * Tells whether a cancelled message at the end is passed over by several claims.
	 */
	private static boolean idsAroundACancelledOne(TestEngine of) {
		long[] ids = of.send(5);
		assertThat(new Cancellations(of.database).cancel(of.queue.name(), ids[3])).isEqualTo(Outcome.CANCELLED);
		assertThat(TestEngine.ids(of.claim(2))).containsExactly(ids[0], ids[1]);
		return of.drain().equals(List.of(ids[2], ids[4]));
	}

	@Test
	void inAWindowThatIsReadInPagesOnlyWhatTheLastPageLeftIsCancelled() {
		long[] ids = this.engine.send(6);
		assertThat(TestEngine.ids(this.engine.claim(3))).hasSize(3);
		assertThat(cancel(ids[1])).isEqualTo(Outcome.IN_HAND);
		assertThat(cancel(ids[4])).isEqualTo(Outcome.CANCELLED);
		assertThat(this.engine.drain()).containsExactly(ids[3], ids[5]);
	}

	@Test
	void aMessageOfATransactionThatIsOlderThanTheLastClaimIsFound() {
		try (Session old = Session.begin(this.database)) {
			long late = this.engine.send(old);
			this.engine.send(3);
			assertThat(this.engine.drain()).hasSize(3);
			assertThat(cancel(late)).as("not committed yet").isEqualTo(Outcome.NOT_FOUND);
			old.commit();
			assertThat(cancel(late)).isEqualTo(Outcome.CANCELLED);
		}
		assertThat(this.engine.drain()).isEmpty();
		assertThat(skipped()).isEmpty();
	}

	@Test
	void aCancellationWaitsForAClaimThatIsUnderWayAndComesTooLate() throws Exception {
		long id = this.engine.send();
		try (Session claiming = Session.begin(this.database);
				Session cancelling = new Session(this.database.directDataSource())) {
			claiming.execute(
					this.engine.sql("SELECT $.claim(" + this.engine.worker + ", 900, " + this.engine.queue.queueId()
							+ ", " + this.engine.queue.subscriptionId() + ", 10, 1000, '-infinity')"));
			CompletableFuture<Outcome> outcome = cancelling.blocked(this.database,
					() -> new Cancellations(new Database(cancelling.dataSource(), this.engine.schema))
						.cancel(this.engine.queue.name(), id));
			assertThat(outcome).isNotDone();
			claiming.commit();
			assertThat(outcome.get()).isEqualTo(Outcome.IN_HAND);
		}
	}

	@Test
	void aClaimThatMeetsACancellationComesBackSoonAndFindsNothing() {
		long id = this.engine.send();
		try (Session cancelling = Session.begin(this.database)) {
			cancelling
				.execute(this.engine.sql("SELECT $.take_out('" + this.engine.queue.name() + "', " + id + ", 60000)"));
			Claim claim = this.engine.claim(10);
			assertThat(claim.messages()).isEmpty();
			assertThat(claim.busy()).isTrue();
			cancelling.commit();
		}
		assertThat(this.engine.claim(10).messages()).as("it waits for the third step").isEmpty();
		assertThat(this.engine.retried()).containsExactly(id);
	}

	@Test
	void whatWasTakenOutByACancellationThatDiedIsDeliveredInTheEnd() {
		long id = this.engine.send();
		this.engine.jdbc()
			.sql("SELECT pgqueue.take_out(?, ?, 0)")
			.params(this.engine.queue.name(), id)
			.query(Integer.class)
			.single();
		Claim claim = this.engine.claim(10);
		assertThat(claim.messages()).singleElement().satisfies((message) -> {
			assertThat(message.id()).isEqualTo(id);
			assertThat(message.attempt()).isOne();
		});
		assertThat(this.engine.drain()).isEmpty();
	}

	@Test
	void thereIsALimitToWhatAClaimHasToPassOver() {
		long[] ids = this.engine.send(2);
		assertThat(cancel(ids[0])).isEqualTo(Outcome.CANCELLED);
		this.engine.jdbc()
			.sql("UPDATE pgqueue.cursor SET skipped = skipped || ARRAY(SELECT -n FROM generate_series(1, 999) n) "
					+ "WHERE subscription_id = ? AND skipped IS NOT NULL")
			.param(this.engine.queue.subscriptionId())
			.update();
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> cancel(ids[1]))
			.withStackTraceContaining("1000 cancelled messages")
			.satisfies((thrown) -> assertThat(TestEngine.sqlState(thrown)).isEqualTo("PGQ05"));
		assertThat(this.engine.drain()).containsExactly(ids[1]);
	}

	@Test
	void everySubscriptionThatHasNotReadTheMessagePassesItOver() {
		int other = this.engine.jdbc()
			.sql("SELECT pgqueue.subscribe(?, 'other', true)")
			.param(this.engine.queue.queueId())
			.query(Integer.class)
			.single();
		long[] ids = this.engine.send(2);
		assertThat(cancel(ids[0])).isEqualTo(Outcome.CANCELLED);
		assertThat(TestEngine.ids(this.engine.claim(10))).containsExactly(ids[1]);
		assertThat(TestEngine.ids(this.engine.claimAs(other, 10))).containsExactly(ids[1]);
	}

	@Test
	@Timeout(60)
	void whatWasCancelledWhileManyClaimIsNeverClaimedAndAllElseIs() throws Exception {
		assertThat(race(this.engine, 300)).isEmpty();
	}

	@Test
	@Timeout(60)
	void aCancellationThatDidNotLockTheLaneWouldBeFound() throws Exception {
		TestEngine broken = TestEngine.changed(this.database, "take_out",
				TestEngine.replacing("AND l.lane = 0 FOR NO KEY UPDATE;", "AND l.lane = 0;"));
		// It does not hit every time.
		List<String> wrong = new ArrayList<>();
		for (int i = 0; i < 20 && wrong.isEmpty(); i++) {
			wrong.addAll(race(broken, 300));
		}
		assertThat(wrong).isNotEmpty();
	}

	/**
	 * Sends, claims and cancels side by side and returns what went wrong.
	 */
	private List<String> race(TestEngine of, int count) throws Exception {
		Cancellations cancelling = new Cancellations(of.database);
		Set<Long> sent = ConcurrentHashMap.newKeySet();
		Set<Long> claimed = ConcurrentHashMap.newKeySet();
		Set<Long> cancelled = ConcurrentHashMap.newKeySet();
		List<String> wrong = Collections.synchronizedList(new ArrayList<>());
		AtomicBoolean running = new AtomicBoolean(true);
		ExecutorService executor = Executors.newCachedThreadPool();
		try {
			List<Future<?>> claims = new ArrayList<>();
			for (int i = 0; i < 2; i++) {
				claims.add(executor.submit(() -> {
					while (running.get()) {
						claim(of, claimed, wrong);
					}
				}));
			}
			List<Future<?>> senders = new ArrayList<>();
			for (int i = 0; i < 2; i++) {
				Random random = new Random(i);
				senders.add(executor.submit(() -> {
					for (int message = 0; message < count; message++) {
						long[] ids = of.send(1 + random.nextInt(3));
						TestEngine.list(ids).forEach(sent::add);
						try {
							if (cancelling.cancel(of.queue.name(), ids[0]) == Outcome.CANCELLED) {
								cancelled.add(ids[0]);
							}
						}
						catch (RuntimeException ex) {
							wrong.add(ex.toString());
						}
					}
				}));
			}
			for (Future<?> sender : senders) {
				sender.get();
			}
			running.set(false);
			for (Future<?> one : claims) {
				one.get();
			}
		}
		finally {
			running.set(false);
			executor.shutdownNow();
		}
		while (claim(of, claimed, wrong)) {
			// Until nothing comes any more.
		}
		Set<Long> both = new HashSet<>(cancelled);
		both.retainAll(claimed);
		both.forEach((id) -> wrong.add(id + " was cancelled and claimed"));
		sent.removeAll(cancelled);
		sent.removeAll(claimed);
		sent.forEach((id) -> wrong.add(id + " was neither cancelled nor claimed"));
		assertThat(cancelled).as("cancelled").isNotEmpty();
		assertThat(claimed).as("claimed").isNotEmpty();
		return wrong;
	}

	private static boolean claim(TestEngine of, Set<Long> claimed, List<String> wrong) {
		try {
			Claim claim = of.leases
				.claim(of.request(of.worker, 1 + (int) (of.lastLease() % 5), TestEngine.BYTES, OffsetDateTime.MIN));
			for (long id : TestEngine.ids(claim)) {
				if (!claimed.add(id)) {
					wrong.add(id + " was claimed twice");
				}
			}
			return !claim.messages().isEmpty() || claim.more() || claim.busy();
		}
		catch (RuntimeException ex) {
			wrong.add(ex.toString());
			return false;
		}
	}

	@Test
	void aScheduledMessageThatIsJustBeingPromotedIsCancelledInTheLog() throws Exception {
		long id = this.engine.log
			.sendTimed(this.engine.queue.name(), List.of("1"), Collections.singletonList(null),
					new Timing(null, 3_600_000_000L, null))
			.ids()[0];
		this.engine.jdbc()
			.sql("UPDATE pgqueue.scheduled SET due_at = clock_timestamp() WHERE id = ?")
			.param(id)
			.update();
		try (Session promoting = Session.begin(this.database);
				Session cancelling = new Session(this.database.directDataSource())) {
			promoting.execute("SELECT pgqueue.promote(10, '-infinity')");
			CompletableFuture<Outcome> outcome = cancelling.blocked(this.database,
					() -> new Cancellations(new Database(cancelling.dataSource(), this.engine.schema))
						.cancel(this.engine.queue.name(), id));
			promoting.commit();
			assertThat(outcome.get()).isEqualTo(Outcome.CANCELLED);
		}
		assertThat(this.engine.drain()).isEmpty();
	}

	private Outcome cancel(long id) {
		return this.cancellations.cancel(this.engine.queue.name(), id);
	}

	private List<Long> skipped() {
		return this.engine.jdbc()
			.sql("SELECT unnest(skipped) FROM (SELECT skipped FROM pgqueue.cursor WHERE subscription_id = ? "
					+ "ORDER BY seq DESC LIMIT 1) newest")
			.param(this.engine.queue.subscriptionId())
			.query(Long.class)
			.list();
	}

}
