package io.pgqueue.listener;

import java.sql.Connection;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class ConcurrencyIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	ConcurrencyIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2, 7, 50 })
	void theConcurrencyIsReachedAndNeverExceeded(int concurrency) {
		assertThatConcurrencyIs(concurrency, TestApplication.options(this.queue).concurrency(concurrency).build());
	}

	@Test
	@Tag("jdk21")
	void theConcurrencyIsReachedAndNeverExceededOnVirtualThreads() {
		Set<String> threads = assertThatConcurrencyIs(50,
				TestApplication.options(this.queue).concurrency(50).virtualThreads(true).build());
		assertThat(threads).allMatch((thread) -> thread.startsWith("VirtualThread["));
	}

	@Test
	void theConcurrencyOfBatchesIsReachedAndNeverExceeded() {
		InFlight inFlight = new InFlight(3);
		send(60);
		this.application
			.handleBatches(TestApplication.options(this.queue).concurrency(3).batchSize(5).build(), (messages) -> {
				assertThat(messages).hasSizeLessThanOrEqualTo(5);
				inFlight.enterAndLeave();
			})
			.start();
		awaitCompleted(60);
		assertThat(inFlight.most).hasValue(3);
	}

	@Test
	void slowHandlersHideNothingFromOtherProcesses() {
		CountDownLatch gate = new CountDownLatch(1);
		AtomicInteger blocked = new AtomicInteger();
		Set<Long> elsewhere = ConcurrentHashMap.newKeySet();
		send(50);
		this.application.handle(TestApplication.options(this.queue).concurrency(2).build(), (message) -> {
			blocked.incrementAndGet();
			gate.await();
		}).start();
		Await.until("two handlers are blocked", () -> blocked.get() == 2);
		assertThat(this.application.container(this.queue).isSaturated()).isTrue();
		assertThat(leased()).isEqualTo(2);
		try (TestApplication other = TestApplication.on(this.database)) {
			other.handle(TestApplication.options(this.queue).build(), (message) -> elsewhere.add(message.id())).start();
			Await.until("another process has handled the rest", () -> elsewhere.size() == 48);
			assertThat(leased()).isEqualTo(2);
			gate.countDown();
			awaitCompleted(2);
		}
		assertThat(leased()).isZero();
	}

	@Test
	void slowBatchHandlersHoldNoMoreThanTheyHaveInHand() {
		CountDownLatch gate = new CountDownLatch(1);
		AtomicInteger blocked = new AtomicInteger();
		send(50);
		this.application
			.handleBatches(TestApplication.options(this.queue).concurrency(2).batchSize(10).build(), (messages) -> {
				blocked.incrementAndGet();
				gate.await();
			})
			.start();
		Await.until("two handlers are blocked", () -> blocked.get() == 2);
		assertThat(leased()).isEqualTo(20);
		gate.countDown();
		awaitCompleted(50);
	}

	@Test
	void fastHandlersAreFedByFewLargeClaimsAndSettledByFewStatements() {
		ObservedDataSource observed = new ObservedDataSource(this.database.dataSource());
		try (TestApplication counted = TestApplication.builder(this.database).pooled(observed).build()) {
			send(10_000);
			counted.handle(TestApplication.options(this.queue).build(), (message) -> {
			}).start();
			Await.until("all are acknowledged", () -> counted.events().completed(this.queue) == 10_000);
			// Each claim that finds something adds a row; the smallest number that is
			// possible is 20.
			assertThat(claims()).isLessThan(200);
			assertThat(observed.count("settle_alone(")).isLessThan(200);
		}
	}

	@Test
	void batchHandlersGetFullBatchesFromABacklog() {
		send(1_000);
		Set<Integer> sizes = ConcurrentHashMap.newKeySet();
		this.application
			.handleBatches(TestApplication.options(this.queue).batchSize(100).build(),
					(messages) -> sizes.add(messages.size()))
			.start();
		awaitCompleted(1_000);
		assertThat(sizes).containsExactly(100);
	}

	@Test
	void oneSlowMessageDoesNotHoldUpTheOtherHandlers() {
		CountDownLatch gate = new CountDownLatch(1);
		AtomicInteger handled = new AtomicInteger();
		send(500);
		this.application.handle(TestApplication.options(this.queue).concurrency(2).build(), (message) -> {
			if (message.payload().equals("100")) {
				gate.await();
			}
			handled.incrementAndGet();
		}).start();
		Await.until("all but one were handled", () -> handled.get() == 499);
		Await.until("and acknowledged, though they share a lease with it", () -> leased() == 1);
		gate.countDown();
		awaitCompleted(500);
	}

	@Test
	void handlersThatNeedConnectionsDoNotStarveTheContainer() {
		// Fewer connections than handlers.
		try (TestApplication small = TestApplication.builder(this.database)
			.pooled(this.database.pool((config) -> config.setMaximumPoolSize(2)))
			.build()) {
			send(300);
			small.handle(TestApplication.options(this.queue).concurrency(20).build(), (message) -> {
				try (Connection connection = small.pooled().getConnection()) {
					assertThat(connection.isValid(1)).isTrue();
				}
			}).start();
			Await.until("all are acknowledged", () -> small.events().completed(this.queue) == 300);
			assertThat(small.events().failed(this.queue)).isZero();
		}
	}

	private Set<String> assertThatConcurrencyIs(int concurrency, ContainerOptions options) {
		InFlight inFlight = new InFlight(concurrency);
		Set<String> threads = ConcurrentHashMap.newKeySet();
		send(concurrency * 10);
		this.application.handle(options, (message) -> {
			threads.add(Thread.currentThread().toString());
			inFlight.enterAndLeave();
		}).start();
		awaitCompleted(concurrency * 10);
		assertThat(inFlight.most).hasValue(concurrency);
		return threads;
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	private void awaitCompleted(int count) {
		Await.until(count + " messages are acknowledged",
				() -> this.application.events().completed(this.queue) == count);
	}

	private int leased() {
		return number("SELECT coalesce(sum(cardinality(l.ids)), 0) FROM pgqueue.lease l "
				+ "JOIN pgqueue.queue q ON q.id = l.queue_id WHERE q.name = ?");
	}

	private int claims() {
		return number("SELECT count(*) FROM pgqueue.cursor c JOIN pgqueue.subscription s ON s.id = c.subscription_id "
				+ "JOIN pgqueue.queue q ON q.id = s.queue_id WHERE q.name = ?");
	}

	private int number(String sql) {
		return this.database.jdbc().sql(sql).param(this.queue).query(Integer.class).single();
	}

	/**
	 * Keeps handlers until as many as expected are there.
	 */
	private static final class InFlight {

		private final CountDownLatch expected;

		private final AtomicInteger now = new AtomicInteger();

		private final AtomicInteger most = new AtomicInteger();

		InFlight(int expected) {
			this.expected = new CountDownLatch(expected);
		}

		void enterAndLeave() throws InterruptedException {
			this.most.accumulateAndGet(this.now.incrementAndGet(), Math::max);
			this.expected.countDown();
			this.expected.await();
			Thread.yield();
			this.now.decrementAndGet();
		}

	}

}
