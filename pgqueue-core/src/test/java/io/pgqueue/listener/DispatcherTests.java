package io.pgqueue.listener;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.Leases;
import io.pgqueue.listener.QueueListenerContainer.Collaborators;
import io.pgqueue.test.Await;
import io.pgqueue.wakeup.OutageLog;
import io.pgqueue.wakeup.WakeUps;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.jdbc.datasource.DriverManagerDataSource;

import static org.assertj.core.api.Assertions.assertThat;

class DispatcherTests {

	private static final int CONCURRENCY = 2;

	private static final int MOST_AHEAD = 10;

	private final ExecutorService executor = Executors.newCachedThreadPool();

	private final Semaphore gate = new Semaphore(0);

	private final AtomicInteger started = new AtomicInteger();

	private final AtomicInteger finished = new AtomicInteger();

	private final AtomicInteger refusals = new AtomicInteger();

	private final ContainerOptions options = ContainerOptions.builder("id", "queue").build();

	private Dispatcher dispatcher;

	private MessageProcessor processor;

	@AfterEach
	void close() {
		this.gate.release(1_000);
		this.executor.shutdownNow();
	}

	@Test
	void beforeTheFirstMeasurementThereIsRoomForWhatCanStartAtOnce() throws InterruptedException {
		handle((message) -> this.gate.acquire());
		assertThat(this.dispatcher.awaitRoom()).isEqualTo(CONCURRENCY);
		assertThat(this.dispatcher.isSaturated()).isFalse();
		add(1);
		Await.until("one has started", () -> this.started.get() == 1);
		assertThat(this.dispatcher.awaitRoom()).isEqualTo(1);
		add(1);
		assertThat(this.dispatcher.isSaturated()).isTrue();
	}

	@Test
	void neverMoreRunThanAllowed() throws InterruptedException {
		handle((message) -> this.gate.acquire());
		add(7);
		Await.until("two have started", () -> this.started.get() == CONCURRENCY);
		assertThat(this.dispatcher.isSaturated()).isTrue();
		this.gate.release(3);
		Await.until("three more have started", () -> this.started.get() == CONCURRENCY + 3);
		this.gate.release(10);
		Await.until("all have finished", () -> this.finished.get() == 7);
	}

	@Test
	void fastHandlersMakeRoomForMore() throws InterruptedException {
		warmUp(0);
		assertThat(this.dispatcher.awaitRoom()).isEqualTo(CONCURRENCY + MOST_AHEAD);
	}

	@Test
	void slowHandlersMakeNoRoomForMore() throws InterruptedException {
		warmUp(250);
		assertThat(this.dispatcher.awaitRoom()).isEqualTo(CONCURRENCY);
	}

	@Test
	void handlersThatBecomeSlowMakeLessAndLessRoom() throws InterruptedException {
		AtomicInteger millis = new AtomicInteger();
		handle((message) -> LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis.get())));
		addAndWait(20);
		assertThat(this.dispatcher.awaitRoom()).isEqualTo(CONCURRENCY + MOST_AHEAD);
		millis.set(300);
		addAndWait(8);
		assertThat(this.dispatcher.awaitRoom()).isEqualTo(CONCURRENCY);
	}

	@Test
	void thereIsRoomAgainWhenTheBufferIsHalfEmpty() throws InterruptedException {
		AtomicInteger blocking = new AtomicInteger();
		handle((message) -> {
			if (blocking.get() == 1) {
				this.gate.acquire();
			}
		});
		addAndWait(20);
		blocking.set(1);
		add(CONCURRENCY + MOST_AHEAD);
		Await.until("two have started", () -> this.started.get() == 20 + CONCURRENCY);
		assertThat(this.dispatcher.isSaturated()).isTrue();
		blocking.set(2);
		// The two that block are measured only when they end.
		this.gate.release(1);
		Await.until("the buffer is empty", () -> this.finished.get() == 20 + CONCURRENCY + MOST_AHEAD - 1);
		assertThat(this.dispatcher.isSaturated()).isFalse();
	}

	@Test
	void aStopEndsTheWaitForRoomAndStartsNothingMore() throws InterruptedException {
		handle((message) -> this.gate.acquire());
		add(5);
		Await.until("two have started", () -> this.started.get() == CONCURRENCY);
		CountDownLatch waited = new CountDownLatch(1);
		this.executor.execute(() -> {
			try {
				assertThat(this.dispatcher.awaitRoom()).isZero();
				waited.countDown();
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
		});
		this.dispatcher.stop();
		assertThat(waited.await(10, TimeUnit.SECONDS)).isTrue();
		add(3);
		assertThat(this.dispatcher.awaitIdle(Duration.ofMillis(10))).isFalse();
		this.gate.release(10);
		assertThat(this.dispatcher.awaitIdle(Duration.ofSeconds(10))).isTrue();
		assertThat(this.started).hasValue(CONCURRENCY);
	}

	@Test
	void anInterruptReachesTheHandlers() throws InterruptedException {
		AtomicInteger interrupted = new AtomicInteger();
		handle((message) -> {
			try {
				this.gate.acquire();
			}
			catch (InterruptedException ex) {
				interrupted.incrementAndGet();
			}
		});
		add(2);
		Await.until("two have started", () -> this.started.get() == 2);
		this.processor.open().stop();
		assertThat(this.dispatcher.awaitIdle(Duration.ofSeconds(10))).isTrue();
		assertThat(interrupted).hasValue(2);
	}

	@Test
	void aThreadThatCannotBeStartedIsStartedLater() throws InterruptedException {
		handle((message) -> {
		});
		this.refusals.set(3);
		add(1);
		assertThat(this.refusals).as("threads yet to be refused").hasValue(2);
		while (this.finished.get() == 0) {
			assertThat(this.dispatcher.awaitRoom()).isPositive();
		}
		addAndWait(20);
		assertThat(this.dispatcher.awaitRoom()).as("no place is lost").isEqualTo(CONCURRENCY + MOST_AHEAD);
	}

	private void warmUp(int millis) throws InterruptedException {
		handle((message) -> LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis)));
		addAndWait((millis > 0) ? 4 : 20);
	}

	private void addAndWait(int count) throws InterruptedException {
		int before = this.finished.get();
		add(count);
		Await.until("all have finished", () -> this.finished.get() == before + count);
		assertThat(this.dispatcher.awaitIdle(Duration.ofSeconds(10))).isTrue();
	}

	private void handle(Handler handler) {
		Handler counting = (message) -> {
			this.started.incrementAndGet();
			handler.handle(message);
			this.finished.incrementAndGet();
		};
		HandlerMethodInvoker invoker = new HandlerMethodFactory(new JsonPayloadConverter(JsonMapper.shared()),
				JsonMapper.shared(), null)
			.create(counting, Handler.class.getDeclaredMethods()[0]);
		Leases leases = new Leases(new Database(new DriverManagerDataSource("jdbc:none"), "pgqueue"));
		// Never started: it keeps the outcomes.
		Settler settler = new Settler(leases, QueueEventListener.NONE, new WakeUps(), new OutageLog());
		this.processor = new MessageProcessor(this.options, invoker, new Collaborators(leases, null, settler,
				new WakeUps(), QueueEventListener.NONE, new Semaphore(1), new Quarantine()));
		this.dispatcher = new Dispatcher(CONCURRENCY, MOST_AHEAD, this::execute, this.processor);
	}

	private void execute(Runnable task) {
		if (this.refusals.getAndUpdate((left) -> Math.max(0, left - 1)) > 0) {
			throw new OutOfMemoryError("pretended: unable to create native thread");
		}
		this.executor.execute(task);
	}

	private void add(int count) throws InterruptedException {
		this.dispatcher.add(IntStream.range(0, count).mapToObj((id) -> List.of(delivery(id))).toList());
	}

	private Delivery delivery(long id) {
		ClaimedMessage message = new ClaimedMessage(1, id, 1, Instant.EPOCH, null, "\"x\"", false, false);
		return new Delivery(message, new Lease(null, 1, 1), this.options);
	}

}
