package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;

import io.pgqueue.AckMode;
import io.pgqueue.Acknowledgement;
import io.pgqueue.QueueMessage;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.admin.DeadLetterFilter;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
		try (TestApplication application = application()) {
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

	@ParameterizedTest
	@EnumSource(names = { "TRANSACTIONAL", "ON_RECEIVE" })
	void everyModeAcknowledges(AckMode mode) {
		try (TestApplication application = application()) {
			String queue = application.declareQueue();
			ContainerOptions.Builder options = TestApplication.options(queue).ackMode(mode).concurrency(4);
			if (mode == AckMode.TRANSACTIONAL) {
				options.transactionManager(new JdbcTransactionManager(application.pooled()));
			}
			application.handle(options.build(), this::handle).start();
			application.queues().sendAll(queue, IntStream.range(0, 40).mapToObj(String::valueOf).toList());
			application.queues().send(queue, "fails once");
			Await.until("all were handled",
					() -> application.events().completed(queue) + application.events().failed(queue) >= 41
							&& this.handled.size() == 41);
			Await.until("nothing is held", () -> held() == 0);
		}
		assertThat(this.handled.remove("fails once"))
			.isEqualTo((mode == AckMode.ON_RECEIVE) ? List.of(1) : List.of(1, 2));
		assertThat(this.handled.values()).containsOnly(List.of(1));
	}

	@Test
	void whoeverHasAnAcknowledgementUsesItInATransactionOrWithoutOne() {
		try (TestApplication application = application()) {
			String queue = application.declareQueue();
			TransactionTemplate transactions = new TransactionTemplate(
					new JdbcTransactionManager(application.pooled()));
			application.listen(TestApplication.options(queue).ackMode(AckMode.MANUAL).build(), new Object() {

				void on(QueueMessage<String> message, Acknowledgement acknowledgement) {
					handle(message);
					switch (message.payload()) {
						case "in a transaction" ->
							transactions.executeWithoutResult((status) -> acknowledgement.acknowledge());
						case "rejected" -> acknowledgement.reject("no reason");
						default -> acknowledgement.acknowledge();
					}
				}

			}).start();
			application.queues().sendAll(queue, List.of("in a transaction", "alone", "rejected"));
			Await.until("all are settled", () -> application.events().completed(queue) == 2
					&& application.events().deadLettered(queue) == 1 && held() == 0);
			assertThat(application.admin().redrive(DeadLetterFilter.ofQueue(queue))).isOne();
			Await.until("it was rejected again", () -> application.events().deadLettered(queue) == 2);
		}
	}

	@Test
	void messagesAreReceivedOnDemand() {
		try (TestApplication application = application()) {
			String queue = application.declareQueue();
			application.queues().sendAll(queue, List.of("1", "2", "3", "4"));
			QueueReceiver receiver = QueueReceiver.builder(application.pooled()).build();
			List<ReceivedMessage<String>> received = receiver.receive(queue, String.class, 3, Duration.ofMinutes(1));
			assertThat(received).hasSize(3);
			receiver.acknowledge(received.get(0).receipt());
			new TransactionTemplate(new JdbcTransactionManager(application.pooled()))
				.executeWithoutResult((status) -> receiver.acknowledge(received.get(1).receipt()));
			receiver.release(received.get(2).receipt(), Duration.ZERO);
			assertThat(receiver.receiveAndDelete(queue, String.class, 10)).extracting(QueueMessage::payload)
				.containsExactlyInAnyOrder("3", "4");
			assertThat(held()).isZero();
		}
	}

	private TestApplication application() {
		TestUser user = this.database.createUser();
		this.database.grantUse(user, TestDatabase.SCHEMA);
		return TestApplication.builder(this.database).pooled(this.database.pool((config) -> {
			config.setUsername(user.name());
			config.setPassword(user.password());
			config.setAutoCommit(false);
		})).direct(this.database.directDataSource(user)).timeout(Duration.ofSeconds(1)).build();
	}

	private int held() {
		return this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
			.query(Integer.class)
			.single();
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
