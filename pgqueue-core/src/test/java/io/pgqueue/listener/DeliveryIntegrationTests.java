package io.pgqueue.listener;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import javax.sql.DataSource;

import io.pgqueue.QueueMessage;
import io.pgqueue.SendResult;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class DeliveryIntegrationTests {

	/**
	 * Long enough to show that something else than the poll brought the message.
	 */
	private static final Duration LONG_POLL = Duration.ofSeconds(30);

	/**
	 * Only against hanging.
	 */
	private static final Duration SOON = Duration.ofSeconds(15);

	private final TestDatabase database;

	private final ObservedDataSource pool;

	private final TestApplication application;

	private final String queue;

	DeliveryIntegrationTests(TestDatabase database) {
		this.database = database;
		this.pool = new ObservedDataSource(database.dataSource());
		this.application = TestApplication.builder(database).pooled(this.pool).build();
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

	@Test
	void everyMessageIsHandledOnceAndLeavesNothingBehind() {
		List<Long> handled = Collections.synchronizedList(new CopyOnWriteArrayList<>());
		this.application
			.handle(TestApplication.options(this.queue).concurrency(3).build(), (message) -> handled.add(message.id()))
			.start();
		List<SendResult> sent = this.application.queues()
			.sendAll(this.queue, IntStream.range(0, 2_500).mapToObj(Integer::toString).toList());
		awaitCompleted(2_500);
		assertThat(handled).containsExactlyInAnyOrderElementsOf(sent.stream().map(SendResult::id).toList());
		assertThat(rows("lease")).isZero();
		assertThat(rows("retry")).isZero();
		assertThat(this.application.events().leaseLost(this.queue)).isZero();
	}

	@Test
	void oneHandlerAtATimeGetsTheMessagesInTheOrderOfTheirSending() {
		List<String> handled = new CopyOnWriteArrayList<>();
		List<String> payloads = IntStream.range(0, 700).mapToObj(Integer::toString).toList();
		this.application.queues().sendAll(this.queue, payloads);
		this.application
			.handle(TestApplication.options(this.queue).build(), (message) -> handled.add(message.payload()))
			.start();
		awaitCompleted(700);
		assertThat(handled).isEqualTo(payloads);
	}

	@Test
	void whatWasSentBeforeTheFirstStartIsDeliveredToo() {
		this.application.queues().send(this.queue, "early");
		List<String> handled = new CopyOnWriteArrayList<>();
		this.application
			.handle(TestApplication.options(this.queue).build(), (message) -> handled.add(message.payload()))
			.start();
		awaitCompleted(1);
		assertThat(handled).containsExactly("early");
	}

	@Test
	void aSendInTheSameProcessWakesAContainerThatPollsRarely() {
		AtomicInteger handled = new AtomicInteger();
		startWithLongPoll((message) -> handled.incrementAndGet());
		for (int i = 1; i <= 50; i++) {
			int expected = i;
			this.application.queues().send(this.queue, "wake up");
			Await.until("message " + i + " was handled", SOON, () -> handled.get() == expected);
		}
	}

	@Test
	void aLoneMessageCostsThreeStatements() {
		startWithLongPoll((message) -> {
		});
		long before = this.pool.count("SELECT");
		this.application.queues().send(this.queue, "send, claim, settle");
		awaitCompleted(1);
		awaitPause();
		assertThat(this.pool.count("SELECT") - before).isEqualTo(3);
	}

	@Test
	void theCommitWakesAndNotTheSend() {
		AtomicInteger handled = new AtomicInteger();
		startWithLongPoll((message) -> handled.incrementAndGet());
		long claims = claims();
		transactions(this.pool).executeWithoutResult((status) -> {
			this.application.queues().send(this.queue, "not yet");
			this.application.queues().sendAll(this.queue, List.of("nor this"));
			assertThat(claims()).isEqualTo(claims);
			assertThat(handled).hasValue(0);
		});
		Await.until("both were handled", SOON, () -> handled.get() == 2);
	}

	@Test
	void messagesBehindAUsedUpWindowAreClaimedWithoutWaitingForTheNextPoll() throws InterruptedException {
		CountDownLatch first = new CountDownLatch(1);
		CountDownLatch gate = new CountDownLatch(1);
		AtomicInteger handled = new AtomicInteger();
		this.application.queues().sendAll(this.queue, List.of(1, 2, 3, 4, 5).stream().map(String::valueOf).toList());
		this.application.handleBatches(TestApplication.options(this.queue).batchSize(2).pollInterval(LONG_POLL).build(),
				(messages) -> {
					first.countDown();
					gate.await();
					handled.addAndGet(messages.size());
				})
			.start();
		first.await();
		this.application.queues().send(this.queue, "6, outside of the snapshot that 1 to 5 are read by");
		gate.countDown();
		Await.until("all six were handled", SOON, () -> handled.get() == 6);
	}

	@Test
	void messagesOfOtherProcessesBehindAUsedUpWindowAreClaimedWithoutWaitingForTheNextPoll() {
		AtomicInteger handled = new AtomicInteger();
		TestApplication sender = TestApplication.on(this.database);
		sender.queues().sendAll(this.queue, IntStream.range(0, 750).mapToObj(String::valueOf).toList());
		CountDownLatch first = new CountDownLatch(1);
		CountDownLatch gate = new CountDownLatch(1);
		this.application.handle(TestApplication.options(this.queue).pollInterval(LONG_POLL).build(), (message) -> {
			if (handled.getAndIncrement() == 0) {
				first.countDown();
				gate.await();
			}
		}).start();
		Await.until("the first is being handled", () -> first.getCount() == 0);
		sender.queues().sendAll(this.queue, IntStream.range(0, 750).mapToObj(String::valueOf).toList());
		gate.countDown();
		Await.until("all were handled", SOON, () -> handled.get() == 1_500);
	}

	@Test
	void messagesThatDoNotFitIntoOneClaimAreClaimedWithoutWaitingForTheNextPoll() {
		String large = "x".repeat(1_000_000);
		this.application.queues().sendAll(this.queue, Collections.nCopies(20, large));
		AtomicInteger handled = new AtomicInteger();
		this.application
			.handleBatches(TestApplication.options(this.queue).batchSize(100).pollInterval(LONG_POLL).build(),
					(messages) -> handled.addAndGet(messages.size()))
			.start();
		Await.until("all were handled", SOON, () -> handled.get() == 20);
	}

	@Test
	void handlersFindTheRowThatTheirSenderHasSaved() {
		this.database.jdbc().sql("CREATE TABLE invoice (id bigint PRIMARY KEY)").update();
		Set<Long> found = ConcurrentHashMap.newKeySet();
		this.application.handle(TestApplication.options(this.queue).concurrency(4).build(), (message) -> {
			if (exists(this.pool, message)) {
				found.add(message.id());
			}
		}).start();
		TransactionTemplate transactions = transactions(this.pool);
		JdbcClient jdbc = JdbcClient.create(this.pool);
		for (int i = 0; i < 1_000; i++) {
			String id = String.valueOf(i);
			transactions.executeWithoutResult((status) -> {
				this.application.queues().send(this.queue, id);
				jdbc.sql("INSERT INTO invoice VALUES (?)").param(Long.valueOf(id)).update();
			});
		}
		awaitCompleted(1_000);
		assertThat(found).hasSize(1_000);
	}

	@Test
	void twoContainersOfOneQueueShareItsMessages() {
		Set<Long> left = ConcurrentHashMap.newKeySet();
		Set<Long> right = ConcurrentHashMap.newKeySet();
		CountDownLatch both = new CountDownLatch(2);
		this.application
			.handle(ContainerOptions.builder("left", this.queue).build(), (message) -> meet(both, left, message))
			.handle(ContainerOptions.builder("right", this.queue).build(), (message) -> meet(both, right, message))
			.start();
		this.application.queues().sendAll(this.queue, List.of("one", "two"));
		awaitCompleted(2);
		assertThat(left).hasSize(1);
		assertThat(right).hasSize(1).doesNotContainAnyElementsOf(left);
	}

	private static void meet(CountDownLatch both, Set<Long> handled, QueueMessage<String> message)
			throws InterruptedException {
		both.countDown();
		both.await();
		handled.add(message.id());
	}

	private void startWithLongPoll(Handler handler) {
		this.application.handle(TestApplication.options(this.queue).pollInterval(LONG_POLL).build(), handler).start();
		awaitPause();
	}

	/**
	 * Waits until the container has looked and waits for its next poll.
	 */
	private void awaitPause() {
		Await.until("the container waits",
				() -> claims() > 0 && Thread.getAllStackTraces()
					.keySet()
					.stream()
					.anyMatch((thread) -> thread.getName().equals("pgqueue-" + this.queue + "-fetcher")
							&& thread.getState() == Thread.State.TIMED_WAITING));
	}

	private long claims() {
		return this.pool.count("claim(");
	}

	private void awaitCompleted(long count) {
		Await.until(count + " messages are acknowledged",
				() -> this.application.events().completed(this.queue) == count);
	}

	private int rows(String table) {
		return this.database.jdbc().sql("SELECT count(*) FROM pgqueue." + table).query(Integer.class).single();
	}

	private static boolean exists(DataSource pool, QueueMessage<String> message) {
		return JdbcClient.create(pool)
			.sql("SELECT count(*) FROM invoice WHERE id = ?")
			.param(Long.valueOf(message.payload()))
			.query(Integer.class)
			.single() == 1;
	}

	private static TransactionTemplate transactions(DataSource dataSource) {
		return new TransactionTemplate(new JdbcTransactionManager(dataSource));
	}

}
