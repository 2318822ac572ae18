package io.pgqueue.listener;

import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.AckMode;
import io.pgqueue.BatchFailedException;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Transactions of handlers on another DataSource cannot acknowledge. What they roll back
 * is delivered again nevertheless.
 */
@PgQueueDatabase
class OtherDataSourceIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final JdbcTransactionManager other;

	private final JdbcClient jdbc;

	private final AtomicInteger calls = new AtomicInteger();

	OtherDataSourceIntegrationTests(TestDatabase database) {
		this.database = database;
		database.migrate();
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
		HikariDataSource elsewhere = database.pool((config) -> {
		});
		this.other = new JdbcTransactionManager(elsewhere);
		this.jdbc = JdbcClient.create(elsewhere);
	}

	@BeforeEach
	void prepare() {
		this.database.jdbc().sql("CREATE TABLE IF NOT EXISTS effect (message bigint)").update();
		this.database.jdbc().sql("TRUNCATE effect").update();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@Test
	void anExceptionThatNamesFailedMessagesHasTheOthersDeliveredAgain() {
		this.application.queues().sendAll(this.queue, List.of("one", "two", "three"));
		this.application.handleBatches(options(), (messages) -> {
			messages.forEach(this::insert);
			if (this.calls.getAndIncrement() == 0) {
				throw new BatchFailedException(
						Map.of(messages.get(0).id(), new IllegalStateException("not this time")));
			}
		}).start();
		awaitEffects(3);
		assertThat(this.application.events().failed(this.queue)).isOne();
	}

	@Test
	void aTransactionThatIsMarkedRollbackOnlyIsAFailedDelivery() {
		this.application.queues().send(this.queue, "one");
		this.application.handle(options(), (message) -> {
			insert(message);
			if (this.calls.getAndIncrement() == 0) {
				new TransactionTemplate(this.other).executeWithoutResult((status) -> status.setRollbackOnly());
			}
		}).start();
		awaitEffects(1);
		assertThat(this.application.events().failed(this.queue)).isOne();
	}

	private ContainerOptions options() {
		return TestApplication.options(this.queue)
			.ackMode(AckMode.TRANSACTIONAL)
			.transactionManager(this.other)
			.build();
	}

	private void insert(QueueMessage<String> message) {
		this.jdbc.sql("INSERT INTO effect VALUES (?)").param(message.id()).update();
	}

	private void awaitEffects(int count) {
		Await.until("all are acknowledged", () -> this.application.events().completed(this.queue) == count);
		assertThat(this.database.jdbc().sql("SELECT count(DISTINCT message) FROM effect").query(Integer.class).single())
			.isEqualTo(count);
	}

}
