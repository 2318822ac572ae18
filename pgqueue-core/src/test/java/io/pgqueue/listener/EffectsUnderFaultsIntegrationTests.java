package io.pgqueue.listener;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.AckMode;
import io.pgqueue.test.Await;
import io.pgqueue.test.PrivateServer;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

import org.springframework.dao.DataAccessException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionException;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Consumers are killed and paused, connections terminated, the server is killed: what
 * transactional handlers have written is there exactly once, what others have written at
 * least once.
 */
class EffectsUnderFaultsIntegrationTests {

	/**
	 * Deliveries before a message is a dead letter: many, because crashes cost attempts,
	 * and here they come thick and fast.
	 */
	private static final int ATTEMPTS = 30;

	@TempDir(cleanup = CleanupMode.ON_SUCCESS)
	private Path directory;

	private final List<ConsumerProcess> consumers = new ArrayList<>();

	private final Random random = new Random(42);

	@Test
	void transactionalEffectsHappenExactlyOnce() throws Exception {
		run(AckMode.TRANSACTIONAL, 1_500, new Faults(2, 1, 3, 1));
	}

	@Test
	@Tag("long")
	void transactionalEffectsHappenExactlyOnceUnderManyFaults() throws Exception {
		run(AckMode.TRANSACTIONAL, 20_000, new Faults(20, 5, 50, 5));
	}

	@Test
	@Tag("long")
	void otherEffectsHappenAtLeastOnceUnderManyFaults() throws Exception {
		run(AckMode.AUTO, 20_000, new Faults(20, 5, 50, 5));
	}

	private void run(AckMode mode, int messages, Faults faults) throws Exception {
		try (PrivateServer server = PrivateServer.start(Map.of())) {
			TestDatabase database = server.createDatabase();
			database.migrate();
			database.jdbc().sql("CREATE TABLE sent (message bigint)").update();
			database.jdbc().sql("CREATE TABLE effect (message bigint, attempt integer, process text)").update();
			try (TestApplication sender = TestApplication.on(database)) {
				sender.registry().declare(EffectsProcess.QUEUE);
				for (int i = 0; i < 3; i++) {
					this.consumers.add(new ConsumerProcess(database, "consumer-" + i, mode, ATTEMPTS, this.directory));
				}
				AtomicInteger sent = new AtomicInteger();
				Thread sending = new Thread(() -> send(sender, messages, sent), "sender");
				sending.start();
				inject(faults, server, database, messages, sent);
				sending.join();
				verify(database, mode);
			}
			catch (AssertionError ex) {
				ex.addSuppressed(new AssertionError(state(database)));
				throw ex;
			}
			finally {
				this.consumers.forEach(ConsumerProcess::kill);
			}
		}
	}

	private static void send(TestApplication sender, int messages, AtomicInteger sent) {
		JdbcClient jdbc = JdbcClient.create(sender.pooled());
		TransactionTemplate transactions = new TransactionTemplate(new JdbcTransactionManager(sender.pooled()));
		while (sent.get() < messages) {
			try {
				transactions.executeWithoutResult((status) -> {
					for (int i = 0; i < 5; i++) {
						long id = sender.queues().send(EffectsProcess.QUEUE, "x").id();
						jdbc.sql("INSERT INTO sent VALUES (?)").param(id).update();
					}
				});
				sent.addAndGet(5);
			}
			catch (DataAccessException | TransactionException ex) {
				// A fault has met the sender: what became of that transaction is in the
				// table.
				LockSupport.parkNanos(Duration.ofMillis(50).toNanos());
			}
		}
	}

	// The faults come in a random order, spread over the messages.
	private void inject(Faults faults, PrivateServer server, TestDatabase database, int messages, AtomicInteger sent)
			throws Exception {
		List<Fault> plan = new ArrayList<>();
		add(plan, faults.kills(), () -> this.consumers.get(this.random.nextInt(this.consumers.size())).restart());
		add(plan, faults.crashes(), () -> {
			server.killPostmaster();
			server.restart();
		});
		add(plan, faults.terminations(), () -> terminate(database));
		add(plan, faults.pauses(), () -> this.consumers.get(this.random.nextInt(this.consumers.size())).pause());
		Collections.shuffle(plan, this.random);
		for (int i = 0; i < plan.size(); i++) {
			int due = messages * i / plan.size();
			Await.until("so many are sent", Duration.ofMinutes(5), () -> sent.get() >= due);
			plan.get(i).inject();
		}
	}

	private static void add(List<Fault> plan, int count, Fault fault) {
		for (int i = 0; i < count; i++) {
			plan.add(fault);
		}
	}

	private static void terminate(TestDatabase database) {
		try {
			database.jdbc()
				.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
						+ " WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1")
				.query()
				.listOfRows();
		}
		catch (DataAccessException ex) {
			// It has hit itself through the pool: that is one, too.
		}
	}

	private static String state(TestDatabase database) {
		StringBuilder text = new StringBuilder();
		for (String sql : List.of("SELECT * FROM pgqueue.worker JOIN pgqueue.heartbeat ON worker_id = id",
				"SELECT worker_id, n, ids, claimed_at FROM pgqueue.lease",
				"SELECT s.message, m.xid FROM sent s LEFT JOIN pgqueue.message m ON m.id = s.message"
						+ " WHERE s.message NOT IN (SELECT message FROM effect)",
				"SELECT * FROM pgqueue.dead_letter", "SELECT * FROM pgqueue.cursor ORDER BY seq DESC LIMIT 1",
				"SELECT id, attempts, due_at, worker_id, n, error_message FROM pgqueue.retry",
				"SELECT pid, state, wait_event, xact_start, query FROM pg_stat_activity WHERE datname = current_database()")) {
			text.append(System.lineSeparator()).append(sql);
			database.jdbc()
				.sql(sql)
				.query()
				.listOfRows()
				.forEach((row) -> text.append(System.lineSeparator()).append(row));
		}
		return text.toString();
	}

	private static void verify(TestDatabase database, AckMode mode) {
		Await.until("nothing is left", Duration.ofMinutes(1), () -> number(database,
				"SELECT count(*) FROM sent WHERE message NOT IN (SELECT message FROM effect)") == 0
				&& number(database,
						"SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)") == 0);
		assertThat(number(database, "SELECT count(*) FROM effect WHERE message NOT IN (SELECT message FROM sent)"))
			.as("invented")
			.isZero();
		assertThat(number(database, "SELECT count(*) FROM pgqueue.dead_letter")).as("dead letters").isZero();
		if (mode == AckMode.TRANSACTIONAL) {
			assertThat(number(database, "SELECT count(*) - count(DISTINCT message) FROM effect")).as("doubled effects")
				.isZero();
		}
		assertThat(number(database, "SELECT count(*) FROM effect WHERE attempt > 1")).as("delivered again")
			.isPositive();
	}

	private static long number(TestDatabase database, String sql) {
		return database.jdbc().sql(sql).query(Long.class).single();
	}

	/**
	 * How many faults of each kind.
	 *
	 * @param kills consumers killed and started again
	 * @param crashes kills of the database server
	 * @param terminations terminated backends
	 * @param pauses consumers stopped for longer than the lease timeout
	 */
	private record Faults(int kills, int crashes, int terminations, int pauses) {
	}

	/**
	 * Something that goes wrong.
	 */
	@FunctionalInterface
	private interface Fault {

		void inject() throws Exception;

	}

}
