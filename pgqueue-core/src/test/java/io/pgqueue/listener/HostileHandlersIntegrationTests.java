package io.pgqueue.listener;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Stream;

import io.pgqueue.QueueEventListener;
import io.pgqueue.RetryPolicy;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Whatever a handler does, each message ends in success or as a dead letter, and the
 * container goes on with one thread. {@link HostileMessagesIntegrationTests} has what is
 * tried in every mode.
 */
@PgQueueDatabase
class HostileHandlersIntegrationTests {

	private static final String POISON = "poison";

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	HostileHandlersIntegrationTests(TestDatabase database) {
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
	void aHandlerMayKillItsThreadsName() {
		send(POISON, "good");
		this.application.handle(options().build(), (message) -> Thread.currentThread().setName("somebody else"))
			.start();
		awaitCompleted(2);
	}

	@Test
	void aStageThatIsCompleteAcknowledges() {
		handleWithStage(() -> CompletableFuture.completedFuture("ignored"));
		awaitCompleted(1);
	}

	@Test
	void noStageAtAllAcknowledges() {
		handleWithStage(() -> null);
		awaitCompleted(1);
	}

	@Test
	void aStageIsWaitedFor() throws InterruptedException {
		CompletableFuture<Void> late = new CompletableFuture<>();
		CountDownLatch called = new CountDownLatch(1);
		handleWithStage(() -> {
			called.countDown();
			return late;
		});
		assertThat(called.await(10, TimeUnit.SECONDS)).isTrue();
		assertThat(this.application.events().completed(this.queue)).isZero();
		late.complete(null);
		awaitCompleted(1);
	}

	@Test
	void aStageThatFailsIsAFailureOfTheHandler() {
		handleWithStage(() -> CompletableFuture.failedFuture(new IllegalStateException("failed later")));
		DeadLetter dead = awaitDeadLetter();
		assertThat(dead.errorClass()).isEqualTo("java.lang.IllegalStateException");
		assertThat(dead.errorMessage()).isEqualTo("failed later");
	}

	@Test
	void aStageThatFailsWithAnErrorIsAFailureWithThatError() {
		handleWithStage(() -> CompletableFuture.failedFuture(new AssertionError("failed later")));
		DeadLetter dead = awaitDeadLetter();
		assertThat(dead.errorClass()).isEqualTo("java.lang.AssertionError");
		assertThat(dead.errorMessage()).isEqualTo("failed later");
	}

	@Test
	void aStageThatFailsBehindAnotherShowsTheCause() {
		handleWithStage(() -> CompletableFuture.supplyAsync(() -> {
			throw new IllegalStateException("failed first");
		}).thenApply((ignored) -> "never"));
		assertThat(awaitDeadLetter().errorMessage()).isEqualTo("failed first");
	}

	@Test
	void aStageThatIsCancelledIsAFailure() {
		handleWithStage(() -> {
			CompletableFuture<Object> cancelled = new CompletableFuture<>();
			cancelled.cancel(false);
			return cancelled;
		});
		assertThat(awaitDeadLetter().errorClass()).isEqualTo(CancellationException.class.getName());
	}

	@Test
	void aPayloadWhoseConstructorThrowsIsADeadLetterAndTheContainerGoesOn() {
		sendObjects(POISON, "good");
		this.application.listen(options().build(), new Object() {

			void on(Picky payload) {
			}

		}).start();
		awaitCompleted(1);
		awaitDeadLetter();
	}

	@Test
	void aPayloadWhoseConstructorThrowsAnErrorIsADeadLetterAndTheContainerGoesOn() {
		sendObjects(POISON, "good");
		this.application.listen(options().build(), new Object() {

			void on(PickyWithError payload) {
			}

		}).start();
		awaitCompleted(1);
		awaitDeadLetter();
	}

	@Test
	void aPayloadWhoseConstructorThrowsAnErrorDoesNotSpoilItsBatch() {
		sendObjects("good", POISON, "good");
		this.application.listen(options().batchSize(3).build(), new Object() {

			void on(List<PickyWithError> payloads) {
			}

		}).start();
		awaitCompleted(2);
		awaitDeadLetter();
	}

	@ParameterizedTest
	@MethodSource("counters")
	void aCounterThatFailsHoldsUpNoMessages(String name, Runnable counter) {
		try (TestApplication counted = TestApplication.builder(this.database).events(new Counting(counter)).build()) {
			send(POISON, "good");
			counted.handle(options().build(), (message) -> {
				if (message.payload().equals(POISON)) {
					throw new IllegalStateException("failed");
				}
			}).start();
			awaitDeadLetter();
			Await.until("nothing is held any more", () -> held() == 0);
			AtomicInteger handled = new AtomicInteger();
			String other = counted.declareQueue();
			counted.handle(TestApplication.options(other).build(), (message) -> handled.incrementAndGet());
			counted.queues().send(other, "good");
			Await.until("another queue goes on", () -> handled.get() == 1 && held() == 0);
		}
	}

	static Stream<Arguments> counters() {
		return Stream.of(Arguments.of("throws", (Runnable) () -> {
			throw new IllegalStateException("cannot count");
		}), Arguments.of("throws a checked exception", (Runnable) () -> sneak(new IOException("cannot count"))),
				Arguments.of("interrupts", (Runnable) () -> Thread.currentThread().interrupt()));
	}

	@SuppressWarnings("unchecked")
	private static <T extends Throwable> void sneak(Throwable failure) throws T {
		throw (T) failure;
	}

	private int held() {
		return this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
			.query(Integer.class)
			.single();
	}

	private ContainerOptions.Builder options() {
		return TestApplication.options(this.queue).retryPolicy(new RetryPolicy(2, Duration.ZERO, 1, Duration.ZERO, 0));
	}

	private void send(String... payloads) {
		for (String payload : payloads) {
			this.application.queues().send(this.queue, payload);
		}
	}

	private void sendObjects(String... values) {
		for (String value : values) {
			this.application.queues().send(this.queue, Map.of("value", value));
		}
	}

	private void handleWithStage(Supplier<CompletionStage<?>> result) {
		send("x");
		this.application.listen(options().build(), new Object() {

			CompletionStage<?> on(String payload) {
				return result.get();
			}

		}).start();
	}

	private void awaitCompleted(int count) {
		Await.until(count + " messages are acknowledged",
				() -> this.application.events().completed(this.queue) == count);
	}

	private DeadLetter awaitDeadLetter() {
		Await.until("a message was given up", () -> this.application.admin().deadLetters(this.queue, 10).size() == 1);
		return this.application.admin().deadLetters(this.queue, 10).get(0);
	}

	private record Counting(Runnable counter) implements QueueEventListener {

		@Override
		public void completed(String queue, String subscription) {
			this.counter.run();
		}

		@Override
		public void failed(String queue, String subscription, Throwable failure) {
			this.counter.run();
		}

		@Override
		public void deadLettered(String queue, String subscription) {
			this.counter.run();
		}

	}

	record Picky(String value) {

		Picky {
			if (value.equals(POISON)) {
				throw new IllegalArgumentException("poison");
			}
		}

	}

	record PickyWithError(String value) {

		PickyWithError {
			if (value.equals(POISON)) {
				throw new AssertionError("poison");
			}
		}

	}

}
