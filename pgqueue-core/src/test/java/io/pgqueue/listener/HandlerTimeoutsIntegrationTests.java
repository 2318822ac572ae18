package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import io.pgqueue.AckMode;
import io.pgqueue.Acknowledgement;
import io.pgqueue.HandlerTimeoutException;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
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
	void aTransactionalHandlerThatIsInterruptedRollsBackWhateverItsRulesSay() {
		JdbcTransactionManager manager = new JdbcTransactionManager(this.application.pooled());
		this.application.listen(TestApplication.options(this.queue)
			.timeout(Duration.ofMillis(300))
			.ackMode(AckMode.MANUAL)
			.retryPolicy(TestApplication.ONCE)
			.build(), new Object() {

				void on(QueueMessage<String> message, Acknowledgement acknowledgement) {
					// As @Transactional does it for a checked exception.
					new TransactionTemplate(manager).executeWithoutResult((status) -> {
						acknowledgement.acknowledge();
						try {
							TimeUnit.MINUTES.sleep(1);
						}
						catch (InterruptedException ex) {
							// Commits.
						}
					});
				}

			});
		send(1);
		Await.until("it is dead", () -> this.application.events().deadLettered(this.queue) == 1);
		assertThat(this.application.events().completed(this.queue)).isZero();
		assertThat(this.application.events().failures()).singleElement().isInstanceOf(HandlerTimeoutException.class);
	}

	@Test
	void aCommitThatHangsHoldsUpOnlyItsOwnMessage() {
		CountDownLatch end = new CountDownLatch(1);
		JdbcTransactionManager manager = new JdbcTransactionManager(this.application.pooled());
		this.application.handle(TestApplication.options(this.queue)
			.timeout(Duration.ofMillis(200))
			.ackMode(AckMode.TRANSACTIONAL)
			.transactionManager(manager)
			.build(), (message) -> {
				this.seen.add(message);
				if (message.payload().equals("0")) {
					TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

						@Override
						public void beforeCommit(boolean readOnly) {
							awaitUninterruptibly(end);
						}

					});
				}
			});
		send(3);
		Await.until("the others are done", () -> this.application.events().completed(this.queue) == 2);
		String other = this.application.declareQueue();
		this.application.handle(TestApplication.options(other).retryPolicy(TestApplication.ONCE).build(), (message) -> {
			if (message.payload().equals("1")) {
				throw new IllegalStateException("failed");
			}
		});
		this.application.queues().sendAll(other, payloads(5));
		Await.until("another queue goes on", () -> this.application.events().completed(other) == 4
				&& this.application.events().deadLettered(other) == 1);
		end.countDown();
		Await.until("the commit stands", () -> this.application.events().completed(this.queue) == 3);
		assertThat(this.seen).hasSize(3);
		assertThat(this.application.events().failed(this.queue)).isZero();
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
