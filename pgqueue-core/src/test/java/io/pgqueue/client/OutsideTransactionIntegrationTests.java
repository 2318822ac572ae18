package io.pgqueue.client;

import java.util.List;

import ch.qos.logback.classic.Level;
import io.pgqueue.SendRejectedException;
import io.pgqueue.listener.CapturedLog;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class OutsideTransactionIntegrationTests {

	private final TestDatabase database;

	private String queue;

	OutsideTransactionIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void declareQueue() {
		this.queue = TestApplication.on(this.database).declareQueue();
	}

	@Test
	void rejectRefusesASendWithoutATransaction() {
		QueueTemplate queues = queues(OutsideTransaction.REJECT);
		assertThatExceptionOfType(SendRejectedException.class).isThrownBy(() -> queues.send(this.queue, "refused"))
			.withMessageContaining("'" + this.queue + "'")
			.withMessageContaining("pgqueue.template.outside-transaction is 'reject'");
		assertThatExceptionOfType(SendRejectedException.class)
			.isThrownBy(() -> queues.sendAll(this.queue, List.of("refused")));
		assertThat(messages()).isZero();
	}

	@Test
	void rejectRefusesASendInATransactionOfAnotherDataSource() {
		QueueTemplate queues = queues(OutsideTransaction.REJECT);
		new TransactionTemplate(new JdbcTransactionManager(this.database.directDataSource()))
			.executeWithoutResult((status) -> assertThatExceptionOfType(SendRejectedException.class)
				.isThrownBy(() -> queues.send(this.queue, "refused")));
		assertThat(messages()).isZero();
	}

	@Test
	void rejectRefusesASendInAScopeWithoutATransaction() {
		QueueTemplate queues = queues(OutsideTransaction.REJECT);
		TransactionTemplate supports = transactions();
		supports.setPropagationBehavior(TransactionDefinition.PROPAGATION_SUPPORTS);
		supports.executeWithoutResult((status) -> assertThatExceptionOfType(SendRejectedException.class)
			.isThrownBy(() -> queues.send(this.queue, "refused")));
		assertThat(messages()).isZero();
	}

	@Test
	void rejectAllowsASendInATransaction() {
		QueueTemplate queues = queues(OutsideTransaction.REJECT);
		transactions().executeWithoutResult((status) -> queues.send(this.queue, "allowed"));
		assertThat(messages()).isEqualTo(1);
	}

	@Test
	void warnLogsAndCommits() {
		QueueTemplate queues = queues(OutsideTransaction.WARN);
		try (CapturedLog log = new CapturedLog()) {
			queues.send(this.queue, "allowed");
			assertThat(log.lines(Level.WARN)).singleElement().asString().contains("'" + this.queue + "'");
			transactions().executeWithoutResult((status) -> queues.send(this.queue, "allowed"));
			assertThat(log.lines(Level.WARN)).hasSize(1);
		}
		assertThat(messages()).isEqualTo(2);
	}

	@Test
	void allowIsTheDefaultAndSaysNothing() {
		try (CapturedLog log = new CapturedLog()) {
			QueueTemplate.builder(this.database.dataSource()).build().send(this.queue, "allowed");
			assertThat(log.lines(Level.INFO)).isEmpty();
		}
		assertThat(messages()).isEqualTo(1);
	}

	private QueueTemplate queues(OutsideTransaction outsideTransaction) {
		return QueueTemplate.builder(this.database.dataSource()).outsideTransaction(outsideTransaction).build();
	}

	private TransactionTemplate transactions() {
		return new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()));
	}

	private int messages() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

}
