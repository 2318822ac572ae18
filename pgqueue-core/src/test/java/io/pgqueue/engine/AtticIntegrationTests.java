package io.pgqueue.engine;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Messages that are moved to the attic while somebody waits for the lock of their slot
 * are seen by whoever waited (review A15): the snapshot must be younger than the lock.
 */
@PgQueueDatabase
class AtticIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	private final Session waiting;

	private final Leases leases;

	AtticIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.waiting = new Session(database.directDataSource());
		this.leases = new Leases(new Database(this.waiting.dataSource(), this.engine.schema));
	}

	@AfterEach
	void close() {
		this.waiting.close();
	}

	@Test
	void theFirstClaimOfASessionSeesWhatWasMovedWhileItWaited() throws Exception {
		long[] ids = this.engine.send(3);
		assertThat(TestEngine.ids(whileMoving(this.database, () -> claim(10)))).isEqualTo(TestEngine.list(ids));
		assertThat(inTheAttic(ids)).isTrue();
	}

	@Test
	void aClaimWithCachedPlansSeesWhatWasMovedWhileItWaited() throws Exception {
		for (int i = 0; i < 10; i++) {
			this.engine.send();
			assertThat(claim(10).messages()).hasSize(1);
		}
		long[] ids = this.engine.send(3);
		assertThat(TestEngine.ids(whileMoving(this.database, () -> claim(10)))).isEqualTo(TestEngine.list(ids));
	}

	@Test
	void aClaimInAWindowThatIsOpenAlreadySeesWhatWasMovedWhileItWaited() throws Exception {
		long[] ids = this.engine.send(5);
		assertThat(TestEngine.ids(claim(2))).containsExactly(ids[0], ids[1]);
		assertThat(TestEngine.ids(whileMoving(this.database, () -> claim(10)))).containsExactly(ids[2], ids[3], ids[4]);
	}

	@Test
	void aClaimOfAnOldTransactionSeesWhatWasMovedWhileItWaited() throws Exception {
		long old;
		try (Session open = Session.begin(this.database)) {
			old = this.engine.send(open);
			this.engine.send();
			assertThat(claim(10).messages()).hasSize(1);
			open.commit();
		}
		assertThat(TestEngine.ids(whileMoving(this.database, () -> claim(10)))).containsExactly(old);
	}

	@Test
	void aRetryFindsWhatWasMovedWhileItWaited() throws Exception {
		long[] ids = this.engine.send(2);
		claim(10);
		long lease = this.engine.lastLease();
		assertThat(whileMoving(this.database, () -> this.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(lease, ids[0], 0, true), TestEngine.failure(lease, ids[1], 0, true)))))
			.isEmpty();
		assertThat(this.engine.retried()).containsExactly(ids[0], ids[1]);
	}

	@Test
	void aBurialFindsWhatWasMovedWhileItWaited() throws Exception {
		long[] ids = this.engine.send(1);
		claim(10);
		long lease = this.engine.lastLease();
		assertThat(whileMoving(this.database,
				() -> this.leases.bury(this.engine.worker, List.of(TestEngine.failure(lease, ids[0], 0, true)))))
			.isEmpty();
		assertThat(this.engine.deadLetters(10)).hasSize(1);
	}

	@Test
	void recoveryFindsWhatWasMovedWhileItWaited() throws Exception {
		long[] ids = this.engine.send(2);
		claim(10);
		this.engine.declareDead(this.engine.worker);
		Workers workers = new Workers(this.waiting.dataSource(), this.engine.schema, Duration.ofMinutes(1));
		assertThat(whileMoving(this.database, () -> workers.recover(this.engine.worker))).isEqualTo(2);
		assertThat(this.engine.retried()).containsExactly(ids[0], ids[1]);
	}

	/**
	 * The trap that the others stay clear of: a STABLE function reads with the snapshot
	 * of the statement that called it.
	 */
	@Test
	void aStableFunctionWouldSeeNothing() throws Exception {
		this.engine.send(3);
		try (Session session = new Session(this.database.directDataSource())) {
			for (String volatility : List.of("STABLE", "VOLATILE")) {
				session.execute("CREATE FUNCTION look_" + volatility
						+ "(p_queue integer) RETURNS bigint LANGUAGE plpgsql " + volatility
						+ " AS 'BEGIN RETURN (SELECT count(*) FROM pgqueue.message WHERE queue_id = p_queue); END'");
			}
		}
		assertThat(whileMoving(this.database, () -> look("STABLE"))).isZero();
		this.engine.jdbc().sql("UPDATE pgqueue.message SET slot = 0 WHERE slot = -1").update();
		assertThat(whileMoving(this.database, () -> look("VOLATILE"))).isEqualTo(3);
	}

	private long look(String volatility) {
		return this.waiting.jdbc()
			.sql("SELECT look_" + volatility + "(?)")
			.param(this.engine.queue.queueId())
			.query(Long.class)
			.single();
	}

	/**
	 * Locks the slot, lets somebody wait for it, moves all its messages, truncates it.
	 */
	private <T> T whileMoving(TestDatabase observer, Callable<T> call) throws Exception {
		try (Session rotation = Session.begin(this.database)) {
			rotation.execute("LOCK TABLE pgqueue.message_0 IN ACCESS EXCLUSIVE MODE");
			CompletableFuture<T> result = this.waiting.blocked(observer, call);
			rotation.execute("""
					INSERT INTO pgqueue.message (slot, lane, queue_id, xid, id, enqueued_at, size, headers, payload)
					SELECT -1, lane, queue_id, xid, id, enqueued_at, size, headers, payload FROM pgqueue.message_0""");
			rotation.execute("TRUNCATE pgqueue.message_0");
			rotation.commit();
			return result.get(10, TimeUnit.SECONDS);
		}
	}

	private Claim claim(int limit) {
		return this.leases.claim(this.engine.request(this.engine.worker, limit, TestEngine.BYTES, OffsetDateTime.MIN));
	}

	private boolean inTheAttic(long[] ids) {
		return this.engine.jdbc()
			.sql("SELECT bool_and(slot = -1) FROM pgqueue.message WHERE id = ANY (?)")
			.param(ids)
			.query(Boolean.class)
			.single();
	}

}
