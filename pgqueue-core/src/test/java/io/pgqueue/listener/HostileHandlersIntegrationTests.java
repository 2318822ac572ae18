package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
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
 * container goes on with one thread.
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

	@ParameterizedTest(name = "{0}")
	@MethodSource("failures")
	void anyFailureEndsAsADeadLetterAndTheContainerGoesOn(String name, Supplier<Throwable> failure, String message) {
		send(POISON, "good");
		this.application.handle(options().build(), (delivery) -> {
			if (delivery.payload().equals(POISON)) {
				HostileHandlersIntegrationTests.<RuntimeException>raise(failure.get());
			}
		}).start();
		awaitCompleted(1);
		DeadLetter dead = awaitDeadLetter();
		assertThat(dead.attempts()).isEqualTo(2);
		assertThat(dead.errorClass()).isNotEmpty();
		assertThat(dead.reason()).isEqualTo("attempt 2 of 2 failed");
		assertThat(this.application.admin().deadLetter(this.queue, "default", dead.id()).errorStack())
			.startsWith(dead.errorClass() + "\n\tat ")
			.hasSizeLessThan(10_000);
		if (message != null) {
			assertThat(dead.errorMessage()).startsWith(message).hasSizeLessThan(3_000);
		}
	}

	static Stream<Arguments> failures() {
		return Stream.of(failure("an Error", () -> new AssertionError("failed"), "failed"),
				failure("a real StackOverflowError", HostileHandlersIntegrationTests::overflow, null),
				failure("an OutOfMemoryError", () -> new OutOfMemoryError("pretended"), "pretended"),
				failure("a class that cannot be loaded", () -> new NoClassDefFoundError("no/Such"), "no/Such"),
				failure("an interrupt", () -> new InterruptedException("somebody"), "somebody"),
				failure("no message", IllegalStateException::new, null),
				failure("a NUL in the message", () -> new IllegalStateException("a\0b"), "a\uFFFDb"),
				failure("a lone surrogate", () -> new IllegalStateException("a\uD800b"), "a\uFFFDb"),
				failure("a pair of surrogates", () -> new IllegalStateException("\uD83D\uDE00"), "\uD83D\uDE00"),
				failure("a message of 50 MB", () -> new IllegalStateException("x".repeat(50_000_000)), "xxx"),
				failure("quotes, braces and backslashes", () -> new IllegalStateException("'\"{a,b}\\"), "'\"{a,b}\\"),
				failure("a message that throws", () -> new Unspeakable(new IllegalStateException()),
						"(getMessage() threw"),
				failure("a message that throws an Error", () -> new Unspeakable(new StackOverflowError()), null),
				failure("an exception that contains itself", HostileHandlersIntegrationTests::cyclic, "cyclic"));
	}

	@Test
	void aHandlerMayInterruptItsOwnThreadAndSucceed() {
		send(POISON, "good", "good");
		this.application.handle(options().build(), (message) -> Thread.currentThread().interrupt()).start();
		awaitCompleted(3);
	}

	@Test
	void aHandlerMayInterruptItsOwnThreadAndFail() {
		send(POISON, "good");
		this.application.handle(options().build(), (message) -> {
			Thread.currentThread().interrupt();
			if (message.payload().equals(POISON)) {
				throw new IllegalStateException("interrupted myself");
			}
		}).start();
		awaitCompleted(1);
		assertThat(awaitDeadLetter().errorMessage()).isEqualTo("interrupted myself");
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

	@Test
	void aCounterThatThrowsDoesNotHoldUpMessages() {
		try (TestApplication counted = TestApplication.builder(this.database).events(new Throwing()).build()) {
			send(POISON, "good");
			counted.handle(options().build(), (message) -> {
				if (message.payload().equals(POISON)) {
					throw new IllegalStateException("failed");
				}
			}).start();
			awaitDeadLetter();
			Await.until("nothing is held any more",
					() -> this.database.jdbc()
						.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
						.query(Integer.class)
						.single() == 0);
		}
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

	private static Arguments failure(String name, Supplier<Throwable> failure, String message) {
		return Arguments.of(name, failure, message);
	}

	@SuppressWarnings("unchecked")
	private static <T extends Throwable> void raise(Throwable failure) throws T {
		throw (T) failure;
	}

	private static Throwable overflow() {
		return overflow();
	}

	private static Throwable cyclic() {
		IllegalStateException outer = new IllegalStateException("cyclic");
		IllegalStateException inner = new IllegalStateException("inner", outer);
		outer.initCause(inner);
		outer.addSuppressed(inner);
		return outer;
	}

	private static final class Unspeakable extends RuntimeException {

		private final transient Throwable failure;

		Unspeakable(Throwable failure) {
			this.failure = failure;
		}

		@Override
		public String getMessage() {
			HostileHandlersIntegrationTests.<RuntimeException>raise(this.failure);
			return "not reached";
		}

	}

	private static final class Throwing implements QueueEventListener {

		@Override
		public void completed(String queue, String subscription) {
			throw new IllegalStateException("cannot count");
		}

		@Override
		public void failed(String queue, String subscription, Throwable failure) {
			throw new IllegalStateException("cannot count");
		}

		@Override
		public void deadLettered(String queue, String subscription) {
			throw new IllegalStateException("cannot count");
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
