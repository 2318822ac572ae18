package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.AckMode;
import io.pgqueue.HandlerTimeoutException;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class HandlerTimeoutsIntegrationTests {

	private final TestDatabase database;

	private final Queue<QueueMessage<String>> seen = new ConcurrentLinkedQueue<>();

	private TestApplication application;

	private String queue;

	HandlerTimeoutsIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void start() {
		this.application = TestApplication.on(this.database);
		this.queue = this.application.declareQueue();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@Test
	void aHandlerThatRunsTooLongIsInterruptedAndFails() {
		AtomicInteger interrupts = new AtomicInteger();
		this.application
			.handle(TestApplication.options(this.queue).timeout(Duration.ofMillis(200)).build(), (message) -> {
				this.seen.add(message);
				if (this.seen.size() == 1) {
					try {
						TimeUnit.MINUTES.sleep(1);
					}
					catch (InterruptedException ex) {
						interrupts.incrementAndGet();
					}
				}
			})
			.start();
		send(1);
		Await.until("it is done", () -> this.application.events().completed(this.queue) == 1);
		assertThat(interrupts).hasValue(1);
		assertThat(this.seen).extracting(QueueMessage::attempt).containsExactly(1, 2);
		assertThat(this.application.events().failures()).singleElement().isInstanceOf(HandlerTimeoutException.class);
	}

	@Test
	void aHandlerThatIgnoresTheInterruptIsGivenUpAndTheQueueGoesOn() {
		CountDownLatch end = new CountDownLatch(1);
		this.application.handle(TestApplication.options(this.queue)
			.timeout(Duration.ofMillis(200))
			.retryPolicy(TestApplication.ONCE)
			.build(), (message) -> {
				if (message.payload().equals("0")) {
					awaitUninterruptibly(end);
				}
			}).start();
		send(5);
		Await.until("the others are done and it is dead", () -> this.application.events().completed(this.queue) == 4
				&& this.application.events().deadLettered(this.queue) == 1);
		end.countDown();
		this.application.queues().send(this.queue, "one more");
		Await.until("one more is done", () -> this.application.events().completed(this.queue) == 5);
		assertThat(leases()).isZero();
	}

	@Test
	void transactionalHandlersOfFourListenersShareAPoolOfTwo() {
		HikariDataSource pool = this.database.pool((config) -> {
			config.setMaximumPoolSize(2);
			config.setConnectionTimeout(2_000);
		});
		JdbcTransactionManager manager = new JdbcTransactionManager(pool);
		JdbcClient jdbc = JdbcClient.create(pool);
		TransactionTemplate inner = new TransactionTemplate(manager);
		inner.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
		try (TestApplication small = TestApplication.builder(this.database).pooled(pool).transactions(1).build()) {
			List<String> queues = IntStream.range(0, 4).mapToObj((i) -> small.declareQueue()).toList();
			for (String one : queues) {
				small.handle(TestApplication.options(one)
					.concurrency(10)
					.ackMode(AckMode.TRANSACTIONAL)
					.transactionManager(manager)
					.build(), (message) -> {
						jdbc.sql("SELECT pg_sleep(0.01)").query().singleValue();
						inner.executeWithoutResult((status) -> jdbc.sql("SELECT 1").query(Integer.class).single());
					});
				small.queues().sendAll(one, payloads(20));
			}
			small.start();
			Await.until("all are done", () -> queues.stream().allMatch((one) -> small.events().completed(one) == 20));
			assertThat(small.events().failures()).isEmpty();
		}
	}

	private static void awaitUninterruptibly(CountDownLatch latch) {
		while (latch.getCount() > 0) {
			try {
				latch.await();
			}
			catch (InterruptedException ex) {
				// That is what this handler is about.
			}
		}
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, payloads(count));
		this.application.start();
	}

	private static List<String> payloads(int count) {
		return IntStream.range(0, count).mapToObj(String::valueOf).toList();
	}

	private int leases() {
		return this.database.jdbc().sql("SELECT count(*) FROM pgqueue.lease").query(Integer.class).single();
	}

}
