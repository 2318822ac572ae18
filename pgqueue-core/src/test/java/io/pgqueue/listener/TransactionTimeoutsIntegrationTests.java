package io.pgqueue.listener;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.AckMode;
import io.pgqueue.QueueMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.listener.TransactionalHandlers.Transactions;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.aop.support.AopUtils;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.Transactional;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A server that ends transactions whose handler lets a second pass between two
 * statements.
 */
@PgQueueDatabase
class TransactionTimeoutsIntegrationTests {

	private static final String SETTING = "idle_in_transaction_session_timeout";

	private final TestDatabase database;

	private AnnotationConfigApplicationContext context;

	private TestApplication application;

	TransactionTimeoutsIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE effect (message bigint, attempt integer)").update();
		database.jdbc().sql("ALTER DATABASE " + database.name() + " SET " + SETTING + " = '1s'").update();
	}

	@BeforeEach
	void start() {
		this.context = new AnnotationConfigApplicationContext();
		HikariDataSource pool = this.database.pool((config) -> {
		});
		this.context.registerBean(HikariDataSource.class, () -> pool);
		this.context.register(Transactions.class, Slow.class);
		this.context.refresh();
		this.application = TestApplication.builder(this.database)
			.pooled(pool)
			.beans(this.context.getBeanFactory())
			.build();
	}

	@AfterEach
	void close() {
		this.application.close();
		this.context.close();
	}

	@Test
	void aTransactionThatTheServerEndsIsRolledBackAndCountedAndItsFailureNamesTheSetting() throws Exception {
		List<String> whatFollows = List.of("return", "statement", "exception");
		String inOwnTransaction = listen(AckMode.AUTO, TestApplication.QUICK);
		String inTransactionOfContainer = listen(AckMode.TRANSACTIONAL, TestApplication.QUICK);
		String givenUp = listen(AckMode.AUTO, TestApplication.ONCE);
		this.application.queues().sendAll(inOwnTransaction, whatFollows);
		this.application.queues().sendAll(inTransactionOfContainer, whatFollows);
		this.application.queues().sendAll(givenUp, whatFollows);
		try (CapturedLog log = new CapturedLog()) {
			this.application.start();
			for (String queue : List.of(inOwnTransaction, inTransactionOfContainer)) {
				Await.until("all were handled", () -> this.application.events().completed(queue) == 3);
				assertThat(this.application.events().failed(queue)).isEqualTo(3);
			}
			Await.until("three were given up", () -> this.application.admin().deadLetters(givenUp, 10).size() == 3);
			assertThat(log.lines(Level.INFO)
				.stream()
				.filter((line) -> line.contains(SETTING) && line.contains("attempt 1 of 4"))).hasSize(6);
			assertThat(log.lines(Level.WARN)).hasSize(3).allMatch((line) -> line.contains(SETTING));
		}
		assertThat(this.application.admin().deadLetters(givenUp, 10)).extracting(DeadLetter::errorMessage)
			.allMatch((message) -> message.contains(SETTING) && message.contains("listener '" + givenUp + "'"));
		assertThat(this.database.jdbc().sql("SELECT attempt FROM effect").query(Integer.class).list())
			.as("attempts with an effect")
			.hasSize(6)
			.containsOnly(2);
		assertThat(this.application.admin()
			.deadLetter(givenUp, "default", this.application.admin().deadLetters(givenUp, 1).get(0).id())
			.errorStack()).startsWith("io.pgqueue.TransactionTimeoutException").contains("Caused by");
	}

	private String listen(AckMode mode, RetryPolicy policy) throws NoSuchMethodException {
		String queue = this.application.declareQueue();
		ContainerOptions.Builder options = TestApplication.options(queue)
			.retryPolicy(policy)
			.ackMode(mode)
			.concurrency(3);
		Object bean = this.context.getBean(Slow.class);
		String method = "on";
		if (mode == AckMode.TRANSACTIONAL) {
			options.transactionManager(this.context.getBean(PlatformTransactionManager.class));
			method = "within";
		}
		this.application.listen(options.build(), bean, AopUtils
			.selectInvocableMethod(Slow.class.getDeclaredMethod(method, QueueMessage.class), bean.getClass()));
		return queue;
	}

	/**
	 * A handler that waits in its transaction.
	 */
	static class Slow {

		private final JdbcClient jdbc;

		Slow(HikariDataSource dataSource) {
			this.jdbc = JdbcClient.create(dataSource);
		}

		@Transactional
		void on(QueueMessage<String> message) {
			within(message);
		}

		void within(QueueMessage<String> message) {
			this.jdbc.sql("INSERT INTO effect VALUES (?, ?)").params(message.id(), message.attempt()).update();
			if (message.attempt() > 1) {
				return;
			}
			LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1_500));
			if (message.payload().equals("statement")) {
				this.jdbc.sql("SELECT 1").query(Integer.class).single();
			}
			if (message.payload().equals("exception")) {
				throw new IllegalStateException("failed for another reason");
			}
		}

	}

}
