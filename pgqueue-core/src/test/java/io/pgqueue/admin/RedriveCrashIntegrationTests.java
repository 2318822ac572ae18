package io.pgqueue.admin;

import java.util.Map;
import java.util.concurrent.CompletableFuture;

import io.pgqueue.Queue;
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
 * A server that crashes in the middle of a redrive by filter: each message is either dead
 * or was redriven.
 */
@Tag("postgres")
class RedriveCrashIntegrationTests {

	private static final int LETTERS = 20_000;

	private static PrivateServer server;

	@BeforeAll
	static void start() {
		server = PrivateServer.start(Map.of());
	}

	@AfterAll
	static void stop() {
		server.close();
	}

	@Test
	void aCrashInTheMiddleNeitherLosesNorDoublesAMessage() {
		try (TestDatabase database = server.createDatabase()) {
			database.migrate();
			QueueAdmin admin = new QueueAdmin(database.dataSource(), TestDatabase.SCHEMA);
			admin.declare(new Queue("orders"));
			insert(database);
			for (int crash = 1; crash <= 2; crash++) {
				long before = count(database, "retry");
				CompletableFuture<Long> redrive = CompletableFuture
					.supplyAsync(() -> admin.redrive(DeadLetterFilter.ofQueue("orders")));
				Await.until("some are redriven", () -> count(database, "retry") > before);
				server.crash();
				assertThat(redrive.handle((moved, ex) -> ex).join()).as("the redrive was cut off").isNotNull();
				assertThat(count(database, "retry")).isBetween(before + 1, LETTERS - 1L);
				assertEachIsInOnePlace(database);
			}
			long left = count(database, "dead_letter");
			assertThat(redriveWhereTheConnectionMayBeBroken(admin)).isEqualTo(left);
			assertThat(count(database, "retry")).isEqualTo(LETTERS);
			assertEachIsInOnePlace(database);
			assertThat(database.jdbc()
				.sql("SELECT count(*) FROM pgqueue.retry WHERE redrives = 1 AND attempts = 0")
				.query(Long.class)
				.single()).isEqualTo(LETTERS);
		}
	}

	private static long redriveWhereTheConnectionMayBeBroken(QueueAdmin admin) {
		for (int i = 0; i < 50; i++) {
			try {
				admin.queues();
			}
			catch (DataAccessException ex) {
				// The pool throws the connection away.
			}
		}
		return admin.redrive(DeadLetterFilter.ofQueue("orders"));
	}

	private static void assertEachIsInOnePlace(TestDatabase database) {
		assertThat(database.jdbc()
			.sql("""
					SELECT count(*) = ? AND count(DISTINCT id) = ? FROM (
						SELECT id FROM pgqueue.retry UNION ALL SELECT id FROM pgqueue.dead_letter) everywhere""")
			.params(LETTERS, LETTERS)
			.query(Boolean.class)
			.single()).isTrue();
	}

	private static long count(TestDatabase database, String table) {
		return database.jdbc().sql("SELECT count(*) FROM pgqueue." + table).query(Long.class).single();
	}

	private static void insert(TestDatabase database) {
		database.jdbc().sql("""
				INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives,
					enqueued_at, dead_at, payload)
				SELECT s.id, n, s.queue_id, 0, 1, 5, 0, now(), now() - interval '1 h' + n * interval '1 ms', '1'
				FROM pgqueue.subscription s CROSS JOIN generate_series(1, ?) AS n""").param(LETTERS).update();
	}

}
