package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class StopIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	/**
	 * Message id to the attempts of its successful deliveries.
	 */
	private final Map<Long, List<Integer>> handled = new ConcurrentHashMap<>();

	private final CountDownLatch gate = new CountDownLatch(1);

	private final AtomicInteger blocked = new AtomicInteger();

	private final AtomicBoolean closed = new AtomicBoolean();

	StopIntegrationTests(TestDatabase database) {
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
		this.gate.countDown();
		this.application.close();
	}

	@Test
	void aStopHandsBackAtOnceWhatWasNotStartedAndLetsTheRunningHandlerFinish() throws InterruptedException {
		this.application.handle(options().shutdownTimeout(Duration.ofSeconds(15)).build(), this::blockIfClosed).start();
		holdAHundred();
		Thread stopping = new Thread(this.application.registry()::stop);
		stopping.start();
		try (TestApplication other = TestApplication.on(this.database)) {
			other.handle(options().build(), this::handle).start();
			Await.until("another process has handled what was not started", () -> this.handled.size() == 299);
			assertThat(stopping.isAlive()).isTrue();
			this.gate.countDown();
			stopping.join(10_000);
			assertThat(stopping.isAlive()).isFalse();
			assertThat(this.application.events().completed(this.queue)).isEqualTo(201);
			Await.until("the other process is done", () -> other.events().completed(this.queue) == 99);
		}
		assertEachHandledOnceAtTheFirstAttempt(300);
	}

	@Test
	void aContainerThatIsStoppedAloneHandsBackToItsNextStart() {
		this.application.handle(options().build(), this::blockIfClosed).start();
		holdAHundred();
		QueueListenerContainer container = this.application.container(this.queue);
		Thread stopping = new Thread(container::stop);
		stopping.start();
		Await.until("what was not started is handed back", () -> leased() == 1);
		this.gate.countDown();
		Await.until("it has stopped", () -> !container.isRunning());
		container.start();
		Await.until("all were handled", () -> this.handled.size() == 300);
		Await.until("all are acknowledged", () -> this.application.events().completed(this.queue) == 300);
		assertEachHandledOnceAtTheFirstAttempt(300);
	}

	@Test
	void aHandlerThatTakesTooLongIsInterruptedAndItsMessageCostsNoAttempt() {
		this.application.queues().send(this.queue, "x");
		this.application.handle(options().shutdownTimeout(Duration.ofMillis(100)).build(), (message) -> {
			this.blocked.incrementAndGet();
			this.gate.await();
		}).start();
		Await.until("the handler runs", () -> this.blocked.get() == 1);
		this.application.close();
		handleElsewhere(1);
		assertEachHandledOnceAtTheFirstAttempt(1);
		assertThat(this.application.events().failed(this.queue)).isZero();
	}

	@Test
	void aBatchHandlerThatTakesTooLongIsInterruptedAndItsMessagesCostNoAttempt() {
		this.application.queues().sendAll(this.queue, List.of("1", "2", "3"));
		this.application.handleBatches(options().shutdownTimeout(Duration.ZERO).build(), (messages) -> {
			this.blocked.incrementAndGet();
			this.gate.await();
		}).start();
		Await.until("the handler runs", () -> this.blocked.get() == 1);
		this.application.close();
		handleElsewhere(3);
		assertEachHandledOnceAtTheFirstAttempt(3);
	}

	@Test
	void aHandlerThatIgnoresTheInterruptDelaysTheStopByALittleOnly() {
		this.application.queues().send(this.queue, "x");
		this.application.handle(options().shutdownTimeout(Duration.ofMillis(100)).build(), (message) -> {
			this.blocked.incrementAndGet();
			while (this.gate.getCount() > 0) {
				Thread.onSpinWait();
			}
		}).start();
		Await.until("the handler runs", () -> this.blocked.get() == 1);
		long started = System.nanoTime();
		this.application.close();
		assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(10));
		// Nobody can tell whether it was handled: another process gets it.
		handleElsewhere(1);
	}

	@Test
	void aHandlerThatSwallowsItsInterruptMayNotHaveDoneItsWorkSoAnotherProcessGetsTheMessage() {
		this.application.queues().send(this.queue, "x");
		this.application.handle(options().shutdownTimeout(Duration.ofMillis(100)).build(), (message) -> {
			this.blocked.incrementAndGet();
			try {
				this.gate.await();
			}
			catch (InterruptedException ex) {
				// The work is not done, but nobody can tell.
			}
		}).start();
		Await.until("the handler runs", () -> this.blocked.get() == 1);
		this.application.close();
		assertThat(this.application.events().completed(this.queue)).isZero();
		assertThat(leased()).isZero();
		handleElsewhere(1);
	}

	@Test
	void stoppingAndStartingManyTimesLosesAndRepeatsNothing() {
		this.application.handle(options().concurrency(2).build(), this::handle).start();
		for (int i = 0; i < 20; i++) {
			this.application.queues().sendAll(this.queue, IntStream.range(0, 50).mapToObj(String::valueOf).toList());
			this.application.registry().stop();
			this.application.registry().start();
		}
		Await.until("all were handled", () -> this.handled.size() == 1_000);
		this.application.close();
		assertThat(this.application.events().completed(this.queue)).isEqualTo(1_000);
		assertThat(this.application.events().leaseLost(this.queue)).isZero();
		assertEachHandledOnceAtTheFirstAttempt(1_000);
	}

	@Test
	void aSecondStartOrStopDoesNothing() {
		this.application.handle(options().build(), this::handle).start().start();
		this.application.container(this.queue).start();
		this.application.queues().send(this.queue, "x");
		Await.until("it was handled", () -> this.handled.size() == 1);
		assertThat(threads().stream().filter((name) -> name.endsWith("-fetcher"))).hasSize(1);
		assertThat(threads()).containsOnlyOnce("pgqueue-settler", "pgqueue-worker");
		this.application.close();
		this.application.close();
		assertThat(this.application.registry().isRunning()).isFalse();
		assertEachHandledOnceAtTheFirstAttempt(1);
	}

	@Test
	void noThreadIsLeftAfterAStop() {
		this.application.handle(options().concurrency(5).build(), this::handle)
			.handle(ContainerOptions.builder("idle", this.queue).pollInterval(Duration.ofHours(1)).build(),
					this::handle)
			.start();
		this.application.queues().sendAll(this.queue, IntStream.range(0, 50).mapToObj(String::valueOf).toList());
		Await.until("all were handled", () -> this.handled.size() == 50);
		assertThat(threads()).isNotEmpty();
		this.application.close();
		Await.until("no thread is left", () -> threads().isEmpty());
	}

	@Test
	void anIdleApplicationStopsAtOnce() {
		this.application.handle(options().pollInterval(Duration.ofHours(1)).build(), this::handle).start();
		this.application.queues().send(this.queue, "x");
		Await.until("it was handled", () -> this.application.events().completed(this.queue) == 1);
		long started = System.nanoTime();
		this.application.close();
		assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(2));
	}

	@Test
	void aRegistryWithoutContainersStartsAndStops() {
		this.application.start();
		assertThat(this.application.registry().isRunning()).isTrue();
		this.application.close();
		assertThat(threads()).isEmpty();
	}

	@Test
	void aContainerThatIsRegisteredLateStartsAtOnce() {
		this.application.start();
		this.application.handle(options().build(), this::handle);
		this.application.queues().send(this.queue, "x");
		Await.until("it was handled", () -> this.handled.size() == 1);
	}

	@Test
	void whatAClaimBringsAfterTheStopIsHandedBack() {
		this.application.queues().sendAll(this.queue, List.of("1", "2", "3"));
		try (DatabaseLock lock = DatabaseLock.on(this.database, "pgqueue.cursor")) {
			this.application.handle(options().shutdownTimeout(Duration.ofMillis(100)).build(), this::handle).start();
			lock.awaitBlocked();
			this.application.container(this.queue).stop();
		}
		TestApplication other = TestApplication.on(this.database);
		try (other) {
			other.handle(options().build(), this::handle).start();
			Await.until("another process has handled all", () -> this.handled.size() == 3);
		}
		assertEachHandledOnceAtTheFirstAttempt(3);
	}

	private ContainerOptions.Builder options() {
		return TestApplication.options(this.queue);
	}

	/**
	 * Has one message in a handler that blocks, and 99 claimed ahead because the handler
	 * was fast before.
	 */
	private void holdAHundred() {
		this.application.queues().sendAll(this.queue, IntStream.range(0, 200).mapToObj(String::valueOf).toList());
		Await.until("the first were handled",
				() -> this.application.events().completed(this.queue) == 200 && leased() == 0);
		this.closed.set(true);
		this.application.queues().sendAll(this.queue, IntStream.range(0, 100).mapToObj(String::valueOf).toList());
		Await.until("one is being handled and 99 wait", () -> this.blocked.get() == 1 && leased() == 100);
		this.closed.set(false);
	}

	private void blockIfClosed(QueueMessage<String> message) throws InterruptedException {
		if (this.closed.get()) {
			this.blocked.incrementAndGet();
			this.gate.await();
		}
		handle(message);
	}

	private void handle(QueueMessage<String> message) {
		this.handled.computeIfAbsent(message.id(), (id) -> new CopyOnWriteArrayList<>()).add(message.attempt());
	}

	private void handleElsewhere(int count) {
		try (TestApplication other = TestApplication.builder(this.database).timeout(Duration.ofSeconds(1)).build()) {
			other.handle(options().build(), this::handle).start();
			Await.until("another process has handled it", () -> this.handled.size() == count);
			Await.until("and acknowledged", () -> other.events().completed(this.queue) == count);
		}
	}

	private void assertEachHandledOnceAtTheFirstAttempt(int count) {
		assertThat(this.handled).hasSize(count).allSatisfy((id, attempts) -> assertThat(attempts).containsExactly(1));
	}

	private int leased() {
		return this.database.jdbc()
			.sql("SELECT coalesce(sum(cardinality(l.ids)), 0) FROM pgqueue.lease l "
					+ "JOIN pgqueue.queue q ON q.id = l.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	private static List<String> threads() {
		return Thread.getAllStackTraces()
			.keySet()
			.stream()
			.filter(Thread::isAlive)
			.map(Thread::getName)
			.filter((name) -> name.startsWith("pgqueue-"))
			.toList();
	}

}
