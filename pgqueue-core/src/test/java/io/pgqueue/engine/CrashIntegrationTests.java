package io.pgqueue.engine;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

import io.pgqueue.admin.DeadLetterFilter;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.test.Await;
import io.pgqueue.test.PrivateServer;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import org.springframework.dao.DataAccessException;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A server that crashes and forgets what was committed asynchronously: transaction ids go
 * backwards, claims and acknowledgements come undone (review A2, A6).
 */
@Tag("postgres")
class CrashIntegrationTests {

	/**
	 * Nothing but a commit that waits for the disk, or many pages, writes the log.
	 */
	private static final Map<String, String> LAZY = Map.of("wal_writer_delay", "10s", "wal_writer_flush_after", "1GB",
			"autovacuum", "off", "checkpoint_timeout", "1h", "bgwriter_delay", "10s");

	private static final int DEAD_LETTERS = 20_000;

	private static PrivateServer server;

	@BeforeAll
	static void start() {
		server = PrivateServer.start(LAZY);
	}

	@AfterAll
	static void stop() {
		server.close();
	}

	@Test
	void messagesSentAfterTransactionIdsWentBackwardsAreClaimedByClientsThatPolledBefore() {
		try (TestDatabase database = server.createDatabase()) {
			TestEngine engine = TestEngine.of(database);
			Set<Long> sent = new HashSet<>(TestEngine.list(engine.send(30)));
			Set<Long> handled = new HashSet<>();
			String remembered = "1:1:";
			String current = remembered;
			for (int attempt = 0; attempt < 5 && xmax(database, current) >= xmax(database, remembered); attempt++) {
				claimAndSettle(engine, handled);
				assertThat(engine.claimFromMark(10, TestEngine.BYTES).messages()).as("an idle poll").isEmpty();
				remembered = snapshot(database);
				server.crash();
				current = snapshot(database);
			}
			assertThat(xmax(database, current)).as("transaction ids went backwards")
				.isLessThan(xmax(database, remembered));

			long after = sendAgainWhereTheConnectionIsBroken(engine);
			sent.add(after);
			assertThat(database.jdbc()
				.sql("SELECT pg_visible_in_snapshot(m.xid, ?::pg_snapshot) FROM pgqueue.message m WHERE m.id = ?")
				.params(remembered, after)
				.query(Boolean.class)
				.single())
				.as("a client that remembered how far it had looked would take the new message for an old one")
				.isTrue();
			List<Long> again = new ArrayList<>();
			Await.until("the new message is claimed", Duration.ofSeconds(20), () -> {
				again.addAll(TestEngine.ids(engine.claimFromMark(10, TestEngine.BYTES)));
				return again.contains(after);
			});
			handled.addAll(again);
			// What the crash put back into leases of a worker that does not know it.
			try (Workers workers = engine.workers()) {
				workers.reconcile(engine.worker, 1, engine.lastLease(), new long[0]);
			}
			handled.addAll(engine.drain());
			assertThat(handled).isEqualTo(sent);
		}
	}

	@Test
	void anAcknowledgementThatACrashUndoesIsHandedBackByReconciliation() {
		try (TestDatabase database = server.createDatabase()) {
			TestEngine engine = TestEngine.of(database);
			long[] ids = engine.send(3);
			engine.claim(10);
			long lease = engine.lastLease();
			// Waits for the disk, and takes the claim along.
			flush(database);
			engine.leases.settle(engine.worker, List.of(lease), List.of(), List.of());
			assertThat(engine.leased(engine.worker, lease)).isEmpty();
			server.crash();
			assertThat(engine.leased(engine.worker, lease)).as("the lease is back").hasSize(3);
			try (Workers workers = engine.workers()) {
				assertThat(workers.reconcile(engine.worker, 1, lease, new long[] { lease })).isZero();
				assertThat(workers.reconcile(engine.worker, 1, lease, new long[0])).isEqualTo(3);
			}
			assertThat(engine.retried()).isEqualTo(TestEngine.list(ids));
			Claim again = claimWhereTheConnectionMayBeBroken(engine, 10);
			assertThat(again.messages()).hasSize(3);
			assertThat(again.messages()).extracting(ClaimedMessage::attempt).containsOnly(1);
		}
	}

	@Test
	void whatACommittedSendWaitedForSurvivesTheLossOfTheWholeServer() {
		try (TestDatabase database = server.createDatabase()) {
			TestEngine engine = TestEngine.of(database);
			List<Long> sent = new ArrayList<>();
			for (int i = 0; i < 20; i++) {
				sent.add(engine.send());
				engine.claim(1);
			}
			server.killPostmaster();
			server.restart();
			Set<Long> found = new HashSet<>();
			try (Workers workers = engine.workers()) {
				workers.reconcile(engine.worker, 1, engine.lastLease(), new long[0]);
			}
			found.addAll(TestEngine.ids(claimWhereTheConnectionMayBeBroken(engine, 10)));
			found.addAll(engine.drain());
			assertThat(found).isEqualTo(new HashSet<>(sent));
		}
	}

	@Test
	void aCrashInTheMiddleOfARedriveNeitherLosesNorDoublesAMessage() {
		try (TestDatabase database = server.createDatabase()) {
			TestEngine engine = TestEngine.of(database);
			insertDeadLetters(engine);
			QueueAdmin admin = new QueueAdmin(database.dataSource(), engine.schema);
			DeadLetterFilter filter = DeadLetterFilter.ofQueue(engine.queue.name());
			CompletableFuture<Long> redrive = CompletableFuture.supplyAsync(() -> admin.redrive(filter));
			Await.until("some are redriven", () -> engine.count("retry") > 0);
			server.crash();
			assertThat(redrive.handle((moved, ex) -> ex).join()).as("the redrive was cut off").isNotNull();
			assertThat(engine.count("retry")).isBetween(1L, DEAD_LETTERS - 1L);
			assertEachIsInOnePlace(engine);
			long left = engine.count("dead_letter");
			sendAgainWhereTheConnectionIsBroken(engine);
			assertThat(admin.redrive(filter)).isEqualTo(left);
			assertThat(engine.count("retry WHERE redrives = 1 AND attempts = 0")).isEqualTo(DEAD_LETTERS);
			assertEachIsInOnePlace(engine);
		}
	}

	private static void insertDeadLetters(TestEngine engine) {
		engine.jdbc()
			.sql("""
					INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives,
						enqueued_at, dead_at, payload)
					SELECT ?, n, ?, 0, 1, 5, 0, now(), now() - interval '1 h' + n * interval '1 ms', '1'
					FROM generate_series(1, ?) AS n""")
			.params(engine.queue.subscriptionId(), engine.queue.queueId(), DEAD_LETTERS)
			.update();
	}

	private static void assertEachIsInOnePlace(TestEngine engine) {
		assertThat(engine.jdbc()
			.sql("""
					SELECT count(*) = ? AND count(DISTINCT id) = ? FROM (
						SELECT id FROM pgqueue.retry UNION ALL SELECT id FROM pgqueue.dead_letter) everywhere""")
			.params(DEAD_LETTERS, DEAD_LETTERS)
			.query(Boolean.class)
			.single()).isTrue();
	}

	/**
	 * Claims and settles, committing without waiting for the disk, until nothing comes.
	 */
	private static void claimAndSettle(TestEngine engine, Set<Long> handled) {
		Claim claim = claimWhereTheConnectionMayBeBroken(engine, 1);
		while (!claim.messages().isEmpty()) {
			handled.addAll(TestEngine.ids(claim));
			engine.leases.settle(engine.worker, List.of(engine.lastLease()), List.of(), List.of());
			claim = engine.claimFromMark(1, TestEngine.BYTES);
		}
	}

	private static Claim claimWhereTheConnectionMayBeBroken(TestEngine engine, int limit) {
		for (int i = 0; i < 50; i++) {
			try {
				return engine.claimFromMark(limit, TestEngine.BYTES);
			}
			catch (DataAccessException ex) {
				// The pool throws the connection away.
			}
		}
		return engine.claimFromMark(limit, TestEngine.BYTES);
	}

	private static long sendAgainWhereTheConnectionIsBroken(TestEngine engine) {
		for (int i = 0; i < 50; i++) {
			try {
				return engine.send();
			}
			catch (DataAccessException ex) {
				// The pool throws the connection away.
			}
		}
		return engine.send();
	}

	private static void flush(TestDatabase database) {
		database.jdbc().sql("CREATE TABLE IF NOT EXISTS flush (n integer)").update();
		database.jdbc().sql("INSERT INTO flush VALUES (1)").update();
	}

	private static String snapshot(TestDatabase database) {
		return database.jdbc().sql("SELECT pg_current_snapshot()::text").query(String.class).single();
	}

	private static long xmax(TestDatabase database, String snapshot) {
		return Long.parseLong(snapshot.split(":")[1]);
	}

}
