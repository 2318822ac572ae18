package io.pgqueue.listener;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Each option does what it says; concurrency, the retry policy, virtual threads and most
 * of the stop are proved elsewhere.
 */
@PgQueueDatabase
class ContainerOptionsIntegrationTests {

	private static final Duration FOR_EVER = ChronoUnit.FOREVER.getDuration();

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final Set<Long> handled = ConcurrentHashMap.newKeySet();

	ContainerOptionsIntegrationTests(TestDatabase database) {
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

	@Test
	void theIdFindsTheContainerAndNamesItsThreads() {
		Set<String> threads = ConcurrentHashMap.newKeySet();
		this.application
			.handle(ContainerOptions.builder("my id", this.queue).build(), (message) -> threads.add(threadName()))
			.start();
		this.application.queues().send(this.queue, "x");
		Await.until("it was handled", () -> !threads.isEmpty());
		assertThat(threads).containsExactly("pgqueue-my id-1");
		assertThat(this.application.container("my id").options().queue()).isEqualTo(this.queue);
		assertThat(this.application.registry().container("other")).isNull();
		assertThat(this.application.registry().containers()).hasSize(1);
	}

	@Test
	void anIdThatIsTakenIsRefused() {
		this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
		});
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
			}))
			.withMessageContaining("'" + this.queue + "'");
	}

	@Test
	void theQueueIsCreatedIfItIsMissing() {
		String missing = TestApplication.uniqueQueue();
		this.application.handle(TestApplication.options(missing).build(), (message) -> this.handled.add(message.id()))
			.start();
		this.application.queues().send(missing, "x");
		awaitHandled(1);
	}

	@Test
	void theBatchSizeLimitsEachClaim() {
		send(50);
		CountDownLatch gate = new CountDownLatch(1);
		Set<Integer> leased = ConcurrentHashMap.newKeySet();
		this.application.handle(TestApplication.options(this.queue).batchSize(3).concurrency(20).build(), (message) -> {
			this.handled.add(message.id());
			gate.await();
		}).start();
		awaitHandled(20);
		leased.addAll(this.database.jdbc()
			.sql("SELECT cardinality(l.ids) FROM pgqueue.lease l JOIN pgqueue.queue q ON q.id = l.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.list());
		gate.countDown();
		assertThat(leased).contains(3).allMatch((size) -> size <= 3);
	}

	@Test
	void theBatchSizeLimitsEachBatch() {
		send(50);
		AtomicInteger largest = new AtomicInteger();
		this.application.handleBatches(TestApplication.options(this.queue).batchSize(7).build(), (messages) -> {
			largest.accumulateAndGet(messages.size(), Math::max);
			messages.forEach((message) -> this.handled.add(message.id()));
		}).start();
		awaitHandled(50);
		assertThat(largest).hasValue(7);
	}

	@Test
	void thePollIntervalBringsWhatOtherProcessesSend() {
		start(TestApplication.options(this.queue).pollInterval(Duration.ofMillis(100)).build());
		for (int i = 1; i <= 5; i++) {
			sendFromElsewhere();
			awaitHandled(i);
		}
	}

	@Test
	void aPollIntervalOfCenturiesMeansThatOnlySendsWakeTheContainer() {
		start(TestApplication.options(this.queue).pollInterval(FOR_EVER).build());
		sendFromElsewhere();
		this.application.queues().send(this.queue, "wakes");
		awaitHandled(2);
		this.application.queues().send(this.queue, "wakes again");
		awaitHandled(3);
	}

	@Test
	void aContainerThatDoesNotStartByItselfIsStartedByHand() {
		start(TestApplication.options(this.queue).autoStartup(false).build());
		QueueListenerContainer container = this.application.container(this.queue);
		this.application.queues().send(this.queue, "x");
		assertThat(this.application.registry().isRunning()).isTrue();
		assertThat(container.isRunning()).isFalse();
		assertThat(container.sinceLastPoll()).isNull();
		assertThat(container.isSaturated()).isFalse();
		container.start();
		awaitHandled(1);
		assertThat(container.isRunning()).isTrue();
		this.application.close();
		assertThat(container.isRunning()).isFalse();
		this.application.start();
		assertThat(container.isRunning()).isFalse();
	}

	@Test
	void aShutdownTimeoutOfCenturiesWaitsForTheHandler() throws InterruptedException {
		CountDownLatch started = new CountDownLatch(1);
		CountDownLatch gate = new CountDownLatch(1);
		this.application.handle(TestApplication.options(this.queue).shutdownTimeout(FOR_EVER).build(), (message) -> {
			started.countDown();
			gate.await();
			this.handled.add(message.id());
		}).start();
		this.application.queues().send(this.queue, "x");
		assertThat(started.await(10, TimeUnit.SECONDS)).isTrue();
		Thread stopping = new Thread(this.application.registry()::stop);
		stopping.start();
		stopping.join(500);
		assertThat(stopping.isAlive()).as("the stop waits").isTrue();
		gate.countDown();
		stopping.join(10_000);
		assertThat(stopping.isAlive()).isFalse();
		assertThat(this.handled).hasSize(1);
		assertThat(this.application.events().completed(this.queue)).isEqualTo(1);
	}

	private void start(ContainerOptions options) {
		this.application.handle(options, (message) -> this.handled.add(message.id())).start();
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	private void sendFromElsewhere() {
		TestApplication.on(this.database).queues().send(this.queue, "from elsewhere");
	}

	private void awaitHandled(int count) {
		Await.until(count + " messages were handled", () -> this.handled.size() == count);
	}

	private static String threadName() {
		return Thread.currentThread().getName();
	}

}
