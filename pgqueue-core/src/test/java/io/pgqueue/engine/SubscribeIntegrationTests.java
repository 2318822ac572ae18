package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a subscription sees that is made while others send (review A1, A10).
 */
@PgQueueDatabase
class SubscribeIntegrationTests {

	private final TestDatabase database;

	SubscribeIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void aQueueDeclaredInTheTransactionOfItsFirstSendLosesNothing() {
		TestEngine engine = TestEngine.of(this.database);
		assertThat(declareAndSendInOneTransaction(engine)).hasSize(3);
	}

	@Test
	void aDefaultSubscriptionThatStartedFromTheCurrentSnapshotWouldLoseTheFirstSend() {
		TestEngine engine = TestEngine.changed(this.database, "subscribe",
				TestEngine.replacing("'1:1:'::pg_snapshot ELSE \"changed", "pg_current_snapshot() ELSE \"changed"));
		assertThat(declareAndSendInOneTransaction(engine)).isEmpty();
	}

	@Test
	void aLaterSubscriptionSeesWhatItsOwnTransactionSendsAfterIt() {
		TestEngine engine = TestEngine.of(this.database);
		long before = engine.send();
		assertThat(subscribeAndSendInOneTransaction(engine)).hasSize(3).doesNotContain(before);
		assertThat(engine.drain()).as("the default subscription sees them as well").hasSize(4);
	}

	@Test
	void withoutItsOwnIdInTheSnapshotALaterSubscriptionWouldLoseIt() {
		TestEngine engine = TestEngine.changed(this.database, "full_snapshot",
				TestEngine.replacing("v_self - v_xmax > 500", "true"));
		assertThat(subscribeAndSendInOneTransaction(engine)).isEmpty();
	}

	@Test
	void aLaterSubscriptionSeesWhatWasOpenWhenItWasMadeAndNothingOlder() {
		TestEngine engine = TestEngine.of(this.database);
		engine.send(3);
		try (Session open = Session.begin(this.database)) {
			long late = engine.send(open);
			int second = subscribe(engine, "second", false);
			long after = engine.send();
			assertThat(TestEngine.ids(engine.claimAs(second, 10))).containsExactly(after);
			open.commit();
			assertThat(TestEngine.ids(engine.claimAs(second, 10))).containsExactly(late);
			assertThat(TestEngine.ids(engine.claimAs(second, 10))).isEmpty();
		}
	}

	@Test
	void aSubscriptionFromTheStartSeesEverything() {
		TestEngine engine = TestEngine.of(this.database);
		long[] ids = engine.send(3);
		engine.drain();
		int second = subscribe(engine, "second", true);
		assertThat(TestEngine.ids(engine.claimAs(second, 10))).isEqualTo(TestEngine.list(ids));
	}

	@Test
	void aSubscriptionMadeInASavepointThatIsUndoneLeavesNothingBehind() {
		TestEngine engine = TestEngine.of(this.database);
		try (Session session = Session.begin(this.database)) {
			session.execute("SAVEPOINT here");
			subscribe(engine, session, "second");
			session.execute("ROLLBACK TO here");
			subscribe(engine, session, "second");
			session.commit();
		}
		assertThat(engine.jdbc()
			.sql("SELECT count(*) FROM pgqueue.subscription s JOIN pgqueue.lane l ON l.subscription_id = s.id "
					+ "JOIN pgqueue.cursor c ON c.subscription_id = s.id WHERE s.queue_id = ? AND s.name = 'second'")
			.param(engine.queue.queueId())
			.query(Long.class)
			.single()).isOne();
	}

	@Test
	void subscribingWaitsForARotationAndTakesItsSnapshotAfterIt() throws Exception {
		TestEngine engine = TestEngine.of(this.database);
		try (Session rotation = Session.begin(this.database); Session session = Session.begin(this.database)) {
			rotation.execute("SELECT 1 FROM pgqueue.ring WHERE id = 0 FOR UPDATE");
			CompletableFuture<Integer> second = session.blocked(this.database,
					() -> subscribe(engine, session, "second"));
			long meanwhile = engine.send();
			rotation.commit();
			int id = second.get(10, TimeUnit.SECONDS);
			session.commit();
			assertThat(engine.jdbc()
				.sql("SELECT pg_visible_in_snapshot(m.xid, c.base) FROM pgqueue.cursor c, pgqueue.message m "
						+ "WHERE c.subscription_id = ? AND m.id = ? AND m.queue_id = ?")
				.params(id, meanwhile, engine.queue.queueId())
				.query(Boolean.class)
				.single()).as("what was sent during the wait is older than the subscription").isTrue();
		}
	}

	@Test
	void aRotationCannotOvertakeASubscriptionThatIsNotYetCommitted() {
		TestEngine engine = TestEngine.of(this.database);
		try (Session session = Session.begin(this.database); Session rotation = Session.begin(this.database)) {
			subscribe(engine, session, "second");
			assertThat(rotation.jdbc()
				.sql("SELECT 1 FROM pgqueue.ring WHERE id = 0 FOR UPDATE SKIP LOCKED")
				.query(Integer.class)
				.list()).isEmpty();
			session.rollback();
		}
	}

	@Test
	void manyApplicationsThatDeclareTheSameQueueAtOnceGetTheSameOne() throws Exception {
		TestEngine engine = TestEngine.of(this.database);
		Queues queues = new Queues(engine.database);
		int threads = 8;
		ExecutorService executor = Executors.newFixedThreadPool(threads);
		try {
			for (int round = 0; round < 5; round++) {
				String name = "shared-" + round;
				CyclicBarrier barrier = new CyclicBarrier(threads);
				Callable<DeclaredQueue> declare = () -> {
					barrier.await();
					return queues.declare(name);
				};
				List<DeclaredQueue> declared = new ArrayList<>();
				for (Future<DeclaredQueue> one : executor.invokeAll(Collections.nCopies(threads, declare))) {
					declared.add(one.get());
				}
				assertThat(declared).extracting(DeclaredQueue::queueId).containsOnly(declared.get(0).queueId());
				assertThat(declared).extracting(DeclaredQueue::subscriptionId)
					.containsOnly(declared.get(0).subscriptionId());
				assertThat(declared).filteredOn(DeclaredQueue::created).hasSize(1);
			}
		}
		finally {
			executor.shutdownNow();
		}
		assertThat(queues.names()).contains("shared-0", "shared-4").isSorted();
	}

	/**
	 * The interleaving of the review: the transaction has its number, another one with a
	 * higher number ends, and then the snapshot is taken.
	 */
	private List<Long> declareAndSendInOneTransaction(TestEngine engine) {
		String name = "declared-by-sender-" + engine.schema.hashCode();
		DeclaredQueue declared;
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT pg_current_xact_id()");
			finishAnotherTransaction();
			Database joined = new Database(session.dataSource(), engine.schema);
			declared = new Queues(joined).declare(name);
			new MessageLog(joined).send(name, List.of("1", "2", "3"), Collections.nCopies(3, null));
			session.commit();
		}
		return TestEngine.ids(engine.leases.claim(new Leases.ClaimRequest(engine.worker, 1_000_001, declared.queueId(),
				declared.subscriptionId(), 10, TestEngine.BYTES, OffsetDateTime.MIN, false, false)));
	}

	private List<Long> subscribeAndSendInOneTransaction(TestEngine engine) {
		int second;
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT pg_current_xact_id()");
			finishAnotherTransaction();
			second = subscribe(engine, session, "second");
			engine.send(session);
			engine.send(session);
			engine.send(session);
			session.commit();
		}
		return TestEngine.ids(engine.claimAs(second, 10));
	}

	private void finishAnotherTransaction() {
		try (Session other = Session.begin(this.database)) {
			other.execute("SELECT pg_current_xact_id()");
			other.commit();
		}
	}

	private static int subscribe(TestEngine engine, String name, boolean fromStart) {
		return engine.jdbc()
			.sql(engine.sql("SELECT $.subscribe(?, ?, ?)"))
			.params(engine.queue.queueId(), name, fromStart)
			.query(Integer.class)
			.single();
	}

	private static int subscribe(TestEngine engine, Session session, String name) {
		return session.jdbc()
			.sql(engine.sql("SELECT $.subscribe(?, ?, false)"))
			.params(engine.queue.queueId(), name)
			.query(Integer.class)
			.single();
	}

}
