package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

import ch.qos.logback.classic.Level;
import io.pgqueue.QueueErrorHandler;
import io.pgqueue.QueueMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.Verdict;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.messaging.converter.MessageConversionException;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class ErrorHandlerIntegrationTests {

	private static final RetryPolicy TWICE = new RetryPolicy(2, Duration.ZERO, 1, Duration.ZERO, 0);

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final List<Integer> attempts = new CopyOnWriteArrayList<>();

	ErrorHandlerIntegrationTests(TestDatabase database) {
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
	void itIsAskedAboutEachFailureAndToldWhatThePolicySays() {
		List<QueueMessage<String>> messages = new CopyOnWriteArrayList<>();
		List<Throwable> failures = new CopyOnWriteArrayList<>();
		List<Verdict> verdicts = new CopyOnWriteArrayList<>();
		long id = this.application.queues().send(this.queue, "x", (options) -> options.header("a", "b")).id();
		start((message, failure, verdict) -> {
			messages.add(message);
			failures.add(failure);
			verdicts.add(verdict);
			return verdict;
		});
		awaitDeadLetter();
		assertThat(messages).extracting(QueueMessage::attempt).containsExactly(1, 2);
		assertThat(messages).allSatisfy((message) -> {
			assertThat(message.id()).isEqualTo(id);
			assertThat(message.queue()).isEqualTo(this.queue);
			assertThat(message.payload()).as("as it is stored").isEqualTo("\"x\"");
			assertThat(message.headers()).isEqualTo(Map.of("a", "b"));
		});
		assertThat(failures).extracting(Throwable::getMessage).containsExactly("failed", "failed");
		assertThat(verdicts).containsExactly(new Verdict.Retry(Duration.ZERO, true),
				new Verdict.DeadLetter("attempt 2 of 2 failed"));
	}

	@Test
	void itMayAcknowledge() {
		this.application.queues().send(this.queue, "x");
		start((message, failure, verdict) -> new Verdict.Complete());
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.attempts).containsExactly(1);
		assertThat(this.application.events().failed(this.queue)).isOne();
		assertNothingIsLeft();
	}

	@Test
	void itMayAcknowledgeWhatCameBackFromRetry() {
		this.application.queues().send(this.queue, "x");
		start((message, failure, verdict) -> (message.attempt() == 2) ? new Verdict.Complete() : verdict);
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.attempts).containsExactly(1, 2);
		assertNothingIsLeft();
	}

	@Test
	void itMayGiveUpAtOnce() {
		this.application.queues().send(this.queue, "x");
		try (CapturedLog log = new CapturedLog()) {
			start((message, failure, verdict) -> new Verdict.DeadLetter("no\nhope\0\uD800"));
			assertThat(awaitDeadLetter().attempts()).isEqualTo(1);
			assertThat(log.lines(Level.WARN)).singleElement().asString().contains("is a dead letter, no hope");
		}
		assertThat(this.attempts).containsExactly(1);
	}

	@Test
	void itMayRetryWhatThePolicyGivesUpAsLongAsThatDoesNotCount() {
		this.application.queues().send(this.queue, "x");
		start((message, failure, verdict) -> (message.attempt() == 2 && this.attempts.size() < 6)
				? new Verdict.Retry(Duration.ZERO, false) : verdict);
		assertThat(awaitDeadLetter().attempts()).isEqualTo(2);
		assertThat(this.attempts).containsExactly(1, 2, 2, 2, 2, 2);
	}

	@Test
	void aRetryThatCountsAfterTheLastAttemptIsADeadLetter() {
		this.application.queues().send(this.queue, "x");
		start((message, failure, verdict) -> new Verdict.Retry(Duration.ZERO, true));
		assertThat(awaitDeadLetter().attempts()).isEqualTo(2);
		assertThat(this.attempts).containsExactly(1, 2);
	}

	@Test
	void itsOwnFailureIsLoggedOncePerMessageAndThePolicyDecides() {
		this.application.queues().send(this.queue, "x");
		try (CapturedLog log = new CapturedLog()) {
			start((message, failure, verdict) -> {
				throw new IllegalArgumentException("cannot decide");
			});
			assertThat(awaitDeadLetter().errorMessage()).as("that of the handler").isEqualTo("failed");
			assertThat(warningsOfTheErrorHandler(log)).hasSize(2)
				.allMatch((line) -> line.contains(this.queue) && line.contains("cannot decide"));
		}
		assertThat(this.attempts).containsExactly(1, 2);
	}

	@Test
	void anErrorOfItsOwnDoesNotGetPastItEither() {
		this.application.queues().send(this.queue, "x");
		try (CapturedLog log = new CapturedLog()) {
			start((message, failure, verdict) -> {
				throw new StackOverflowError();
			});
			awaitDeadLetter();
			assertThat(warningsOfTheErrorHandler(log)).hasSize(2);
		}
	}

	@Test
	void ifItReturnsNullThePolicyDecides() {
		this.application.queues().send(this.queue, "x");
		try (CapturedLog log = new CapturedLog()) {
			start((message, failure, verdict) -> null);
			assertThat(awaitDeadLetter().attempts()).isEqualTo(2);
			assertThat(warningsOfTheErrorHandler(log)).hasSize(2).allMatch((line) -> line.contains("returned null"));
		}
	}

	@Test
	void itMayInterruptItsThread() {
		this.application.queues().sendAll(this.queue, List.of("a", "b", "c"));
		start((message, failure, verdict) -> {
			Thread.currentThread().interrupt();
			return new Verdict.Complete();
		});
		Await.until("all are acknowledged", () -> this.application.events().completed(this.queue) == 3);
	}

	@Test
	void itIsAskedAboutAPayloadThatCannotBeRead() {
		AtomicInteger asked = new AtomicInteger();
		this.application.queues().send(this.queue, Map.of("a", 1));
		this.application.listen(TestApplication.options(this.queue).errorHandler((message, failure, verdict) -> {
			assertThat(message.payload()).isEqualTo("{\"a\":1}");
			assertThat(failure).isInstanceOf(MessageConversionException.class);
			assertThat(verdict).isInstanceOf(Verdict.DeadLetter.class);
			asked.incrementAndGet();
			return new Verdict.Complete();
		}).build(), new Object() {

			void on(Integer number) {
			}

		}).start();
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(asked).hasValue(1);
	}

	@Test
	void inABatchItIsAskedAboutEachMessage() {
		List<String> asked = new CopyOnWriteArrayList<>();
		this.application.queues().sendAll(this.queue, List.of("a", "b", "c"));
		this.application.handleBatches(options((message, failure, verdict) -> {
			asked.add(message.payload());
			return message.payload().equals("\"b\"") ? new Verdict.DeadLetter("b is bad") : new Verdict.Complete();
		}).batchSize(3).build(), (messages) -> {
			throw new IllegalStateException("failed");
		}).start();
		awaitDeadLetter();
		Await.until("two are acknowledged", () -> this.application.events().completed(this.queue) == 2);
		assertThat(asked).containsExactlyInAnyOrder("\"a\"", "\"b\"", "\"c\"");
	}

	private void start(QueueErrorHandler errorHandler) {
		this.application.handle(options(errorHandler).build(), (message) -> {
			this.attempts.add(message.attempt());
			throw new IllegalStateException("failed");
		}).start();
	}

	private ContainerOptions.Builder options(QueueErrorHandler errorHandler) {
		return TestApplication.options(this.queue).retryPolicy(TWICE).errorHandler(errorHandler);
	}

	private List<String> warningsOfTheErrorHandler(CapturedLog log) {
		return log.lines(Level.WARN).stream().filter((line) -> line.startsWith("The error handler of")).toList();
	}

	private DeadLetter awaitDeadLetter() {
		Await.until("it was given up", () -> this.application.admin().deadLetters(this.queue, 10).size() == 1);
		return this.application.admin().deadLetters(this.queue, 10).get(0);
	}

	private void assertNothingIsLeft() {
		assertThat(this.application.admin().deadLetters(this.queue, 10)).isEmpty();
		assertThat(this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease l JOIN pgqueue.queue q ON q.id = l.queue_id WHERE q.name = ?)"
					+ " + (SELECT count(*) FROM pgqueue.retry r JOIN pgqueue.queue q ON q.id = r.queue_id WHERE q.name = ?)")
			.params(this.queue, this.queue)
			.query(Integer.class)
			.single()).isZero();
	}

}
