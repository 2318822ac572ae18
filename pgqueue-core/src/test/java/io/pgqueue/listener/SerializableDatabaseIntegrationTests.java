package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A database that makes it as hard as it may: serializable by default, a user with the
 * rights to read and write only, and a pool with autocommit off.
 */
@PgQueueDatabase
class SerializableDatabaseIntegrationTests {

	private final TestDatabase database;

	private final Map<String, List<Integer>> handled = new ConcurrentHashMap<>();

	SerializableDatabaseIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc()
			.sql("ALTER DATABASE " + database.name() + " SET default_transaction_isolation = 'serializable'")
			.update();
	}

	@Test
	void anApplicationSendsHandlesRetriesAndGivesUp() {
		TestUser user = this.database.createUser();
		this.database.grantUse(user, TestDatabase.SCHEMA);
		try (TestApplication application = TestApplication.builder(this.database)
			.pooled(this.database.pool((config) -> {
				config.setUsername(user.name());
				config.setPassword(user.password());
				config.setAutoCommit(false);
			}))
			.direct(this.database.directDataSource(user))
			.timeout(Duration.ofSeconds(1))
			.build()) {
			String queue = application.declareQueue();
			application.queues().send(queue, "alone");
			application.queues().sendAll(queue, List.of("in a batch"));
			TransactionTemplate transactions = new TransactionTemplate(
					new JdbcTransactionManager(application.pooled()));
			transactions.executeWithoutResult((status) -> application.queues().send(queue, "in a transaction"));
			transactions.executeWithoutResult((status) -> {
				application.queues().send(queue, "rolled back");
				status.setRollbackOnly();
			});
			application.queues().send(queue, "fails once");
			application.queues().send(queue, "fails always");
			claimTheFirstMessageInTheNameOfAProcessThatDies(queue);
			application.handle(TestApplication.options(queue).concurrency(2).build(), this::handle).start();
			Await.until("one message was given up", () -> application.admin().deadLetters(queue, 10).size() == 1);
			Await.until("all others were handled", () -> application.events().completed(queue) == 4);
		}
		assertThat(this.handled).isEqualTo(Map.of("alone", List.of(2), "in a batch", List.of(1), "in a transaction",
				List.of(1), "fails once", List.of(1, 2), "fails always", List.of(1, 2, 3, 4)));
	}

	private void claimTheFirstMessageInTheNameOfAProcessThatDies(String queue) {
		JdbcClient jdbc = JdbcClient
			.create(this.database.pool((config) -> config.setTransactionIsolation("TRANSACTION_READ_COMMITTED")));
		long worker = jdbc.sql("SELECT pgqueue.register_worker('dies')").query(Long.class).single();
		assertThat(jdbc
			.sql("SELECT c.id FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id "
					+ "CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, s.id, 1, 1000000, '-infinity') c "
					+ "WHERE q.name = ? AND c.id IS NOT NULL")
			.param(worker)
			.param(queue)
			.query()
			.listOfRows()).hasSize(1);
	}

	private void handle(QueueMessage<String> message) {
		this.handled.computeIfAbsent(message.payload(), (id) -> new CopyOnWriteArrayList<>()).add(message.attempt());
		if (message.payload().equals("fails always")
				|| message.payload().equals("fails once") && message.attempt() == 1) {
			throw new IllegalStateException("failed");
		}
	}

}
