package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.AckMode;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.aop.support.AopUtils;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * An application whose handlers may have one transaction open at a time, on a pool of two
 * connections.
 */
@PgQueueDatabase
class TransactionTurnsIntegrationTests {

	private final TestDatabase database;

	private final CountDownLatch gate = new CountDownLatch(1);

	private AnnotationConfigApplicationContext context;

	private TestApplication application;

	private JdbcTransactionManager manager;

	TransactionTurnsIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void start() {
		HikariDataSource pool = this.database.pool((config) -> {
			config.setMaximumPoolSize(2);
			config.setConnectionTimeout(2_000);
		});
		this.context = new AnnotationConfigApplicationContext();
		this.context.registerBean(HikariDataSource.class, () -> pool);
		this.context.register(TransactionalHandlers.Transactions.class, Querying.class);
		this.context.refresh();
		this.manager = this.context.getBean(JdbcTransactionManager.class);
		this.application = TestApplication.builder(this.database)
			.pooled(pool)
			.transactions(1)
			.beans(this.context.getBeanFactory())
			.build();
	}

	@AfterEach
	void close() {
		this.gate.countDown();
		this.application.close();
		this.context.close();
	}

	@ParameterizedTest
	@EnumSource
	void fourListenersOfTenHandlersShareAPoolOfTwo(Kind kind) throws ReflectiveOperationException {
		Querying bean = this.context.getBean(Querying.class);
		List<String> queues = IntStream.range(0, 4).mapToObj((i) -> this.application.declareQueue()).toList();
		for (String queue : queues) {
			ContainerOptions.Builder options = TestApplication.options(queue).concurrency(10);
			if (kind.name().startsWith("TRANSACTIONAL")) {
				options.ackMode(AckMode.TRANSACTIONAL).transactionManager(this.manager);
			}
			if (kind.batch) {
				options.batchSize(1);
			}
			this.application.listen(options.build(), bean,
					AopUtils.selectInvocableMethod(
							Querying.class.getDeclaredMethod(kind.method, kind.batch ? List.class : QueueMessage.class),
							bean.getClass()));
			send(queue, 10);
		}
		this.application.start();
		queues.forEach((queue) -> awaitCompleted(queue, 10));
		assertThat(this.application.events().failures()).isEmpty();
		assertThat(bean.most()).hasValue(1);
	}

	@Test
	void manyRunnersOfOneListenerDoNotStarveAnother() {
		String busy = this.application.declareQueue();
		String other = this.application.declareQueue();
		send(busy, 10_000);
		handle(busy, 30, (message) -> LockSupport.parkNanos(20_000_000));
		handle(other, 1, (message) -> {
		});
		this.application.start();
		Await.until("the busy listener is at work", () -> this.application.events().completed(busy) > 5);
		for (int i = 1; i <= 6; i++) {
			send(other, 1);
			int count = i;
			// Each of the others has one turn at most before it is next.
			Await.until("message " + i + " has its turn", Duration.ofMillis(30 * 2 * 20 + 300),
					() -> this.application.events().completed(other) == count);
		}
		assertThat(this.application.events().completed(busy)).isLessThan(9_000);
	}

	@Test
	void aTurnEndsWithTheLastMessage() {
		String first = this.application.declareQueue();
		String other = this.application.declareQueue();
		handle(first, 1, (message) -> {
		});
		handle(other, 1, (message) -> {
		});
		this.application.start();
		for (int i = 1; i <= 5; i++) {
			send(first, 1);
			awaitCompleted(first, i);
			send(other, 1);
			awaitCompleted(other, i);
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "exception", "error", "interrupt" })
	void aTurnEndsThoughTheHandlerFails(String failure) {
		String failing = this.application.declareQueue();
		String other = this.application.declareQueue();
		handle(failing, 3, (message) -> {
			switch (failure) {
				case "exception" -> throw new IllegalStateException("failed");
				case "error" -> throw new StackOverflowError("failed");
				default -> {
					Thread.currentThread().interrupt();
					throw new InterruptedException("failed");
				}
			}
		});
		handle(other, 1, (message) -> {
		});
		send(failing, 5);
		this.application.start();
		Await.until("all have failed for good", () -> this.application.events().deadLettered(failing) == 5);
		send(other, 1);
		awaitCompleted(other, 1);
	}

	@Test
	void aTurnEndsWithItsContainer() {
		String stopping = this.application.declareQueue();
		String other = this.application.declareQueue();
		AtomicInteger started = new AtomicInteger();
		handle(stopping, 3, (message) -> {
			started.incrementAndGet();
			this.gate.await();
		});
		handle(other, 1, (message) -> {
		});
		send(stopping, 50);
		this.application.start();
		Await.until("one has its turn", () -> started.get() == 1);
		send(other, 1);
		Thread stop = new Thread(this.application.container(stopping)::stop);
		stop.start();
		Await.until("the others are handed back at once, though they wait for their turn", () -> held(stopping) == 1);
		assertThat(this.application.events().completed(other)).isZero();
		this.gate.countDown();
		awaitCompleted(other, 1);
		Await.until("it has stopped", () -> !stop.isAlive());
		assertThat(started).hasValue(1);
		assertThat(this.application.events().failures()).isEmpty();
	}

	private void handle(String queue, int concurrency, Handler handler) {
		this.application.handle(TestApplication.options(queue)
			.concurrency(concurrency)
			.retryPolicy(TestApplication.ONCE)
			.ackMode(AckMode.TRANSACTIONAL)
			.transactionManager(this.manager)
			.build(), handler);
	}

	private void send(String queue, int count) {
		this.application.queues().sendAll(queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	private void awaitCompleted(String queue, int count) {
		Await.until(count + " are done", () -> this.application.events().completed(queue) == count);
	}

	private int held(String queue) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.lease l JOIN pgqueue.queue q ON q.id = l.queue_id WHERE q.name = ?")
			.param(queue)
			.query(Integer.class)
			.single();
	}

	/**
	 * Ways to have a transaction.
	 */
	enum Kind {

		ANNOTATED("annotated", false), ANNOTATED_BATCH("annotatedBatch", true), TRANSACTIONAL("bare", false),
		TRANSACTIONAL_BATCH("bareBatch", true);

		private final String method;

		private final boolean batch;

		Kind(String method, boolean batch) {
			this.method = method;
			this.batch = batch;
		}

	}

	/**
	 * Handlers that take 50 ms, and a second connection for a moment.
	 */
	static class Querying {

		private final AtomicInteger most = new AtomicInteger();

		private final AtomicInteger now = new AtomicInteger();

		private final JdbcClient jdbc;

		private final TransactionTemplate inner;

		Querying(HikariDataSource pool, JdbcTransactionManager manager) {
			this.jdbc = JdbcClient.create(pool);
			this.inner = new TransactionTemplate(manager);
			this.inner.setPropagationBehavior(TransactionTemplate.PROPAGATION_REQUIRES_NEW);
		}

		AtomicInteger most() {
			return this.most;
		}

		@Transactional
		void annotated(QueueMessage<String> message) {
			work();
		}

		@Transactional
		void annotatedBatch(List<QueueMessage<String>> messages) {
			work();
		}

		void bare(QueueMessage<String> message) {
			work();
		}

		void bareBatch(List<QueueMessage<String>> messages) {
			work();
		}

		private void work() {
			this.most.accumulateAndGet(this.now.incrementAndGet(), Math::max);
			this.jdbc.sql("SELECT pg_sleep(0.05)").query().singleValue();
			this.inner.executeWithoutResult((status) -> this.jdbc.sql("SELECT 1").query(Integer.class).single());
			this.now.decrementAndGet();
		}

	}

}
