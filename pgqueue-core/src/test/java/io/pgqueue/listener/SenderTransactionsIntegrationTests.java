package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

import io.pgqueue.Cancellation;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.PGNotification;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The transactions of senders contain no NOTIFY, whose commit takes a lock for the whole
 * server.
 */
@PgQueueDatabase
class SenderTransactionsIntegrationTests {

	private final TestDatabase database;

	private final TestApplication sender;

	private final String queue;

	private final JdbcClient jdbc;

	SenderTransactionsIntegrationTests(TestDatabase database) {
		this.database = database;
		this.sender = TestApplication.builder(database).notifications().build();
		this.queue = this.sender.declareQueue();
		this.jdbc = JdbcClient.create(this.sender.pooled());
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.sender.close();
	}

	@Test
	void whatOthersHearComesFromOtherTransactions() throws Exception {
		long earlier = this.sender.queues().send(this.queue, "earlier").id();
		this.sender.start();
		Transaction transaction = run((queues) -> {
			queues.send(this.queue, "one");
			queues.sendAll(this.queue, List.of("two", "three"));
			assertThat(queues.cancel(this.queue, earlier)).isEqualTo(Cancellation.CANCELLED);
			queues.send(this.queue, "later", (options) -> options.delay(Duration.ofMinutes(5)));
		});
		assertThat(transaction.heard()).extracting(PGNotification::getParameter)
			.anyMatch((text) -> text.endsWith("s"))
			.anyMatch((text) -> text.matches(".*[/,]" + queueId() + "(,.*)?"));
		assertThat(transaction.heard()).extracting(PGNotification::getPID).doesNotContain(transaction.backend());
	}

	@Test
	void aNotificationOfTheSendersTransactionWouldBeFound() throws Exception {
		this.sender.start();
		Transaction transaction = run((queues) -> {
			this.jdbc.sql("SELECT pgqueue.send(?, '1', p_notify => true)").param(this.queue).query(Long.class).single();
			queues.send(this.queue, "later", (options) -> options.delay(Duration.ofMinutes(5)));
		});
		assertThat(transaction.heard()).extracting(PGNotification::getPID).contains(transaction.backend());
	}

	/**
	 * Runs a transaction and hears what is notified while it holds its connection, so
	 * that no notification that comes later may come from the same backend. It has to
	 * schedule something, because that is notified last.
	 */
	private Transaction run(Consumer<QueueTemplate> work) throws Exception {
		int[] backend = new int[1];
		List<PGNotification> heard = new ArrayList<>();
		try (HeardNotifications notifications = HeardNotifications.of(this.database, TestDatabase.SCHEMA)) {
			new TransactionTemplate(new JdbcTransactionManager(this.sender.pooled())).executeWithoutResult((status) -> {
				backend[0] = this.jdbc.sql("SELECT pg_backend_pid()").query(Integer.class).single();
				work.accept(this.sender.queues());
				TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void afterCompletion(int completion) {
						Await.until("others are notified",
								() -> notifications.arrived()
									.stream()
									.anyMatch((one) -> one.getParameter().endsWith("s")));
						heard.addAll(notifications.committed());
					}

				});
			});
		}
		return new Transaction(backend[0], heard);
	}

	private int queueId() {
		return this.database.jdbc()
			.sql("SELECT id FROM pgqueue.queue WHERE name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	/**
	 * A transaction that has ended.
	 *
	 * @param backend process id of its backend
	 * @param heard what was notified until it gave its connection back
	 */
	private record Transaction(int backend, List<PGNotification> heard) {
	}

}
