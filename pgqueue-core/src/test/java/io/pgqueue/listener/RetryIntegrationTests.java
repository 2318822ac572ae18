package io.pgqueue.listener;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import io.pgqueue.QueueMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.SendResult;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.messaging.handler.annotation.Header;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class RetryIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	RetryIntegrationTests(TestDatabase database) {
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
	void aFailingHandlerGetsItsMessageAgainWithGrowingDelaysUntilItIsADeadLetter() {
		RetryPolicy policy = new RetryPolicy(4, Duration.ofMillis(60), 2, Duration.ofMinutes(1), 0);
		List<Long> times = new CopyOnWriteArrayList<>();
		List<Integer> attempts = new CopyOnWriteArrayList<>();
		SendResult sent = this.application.queues().send(this.queue, "x", (options) -> options.header("a", "b"));
		start(policy, (message) -> {
			times.add(System.nanoTime());
			attempts.add(message.attempt());
			assertThat(message.id()).isEqualTo(sent.id());
			assertThat(message.payload()).isEqualTo("x");
			assertThat(message.headers()).isEqualTo(Map.of("a", "b"));
			throw new IllegalStateException("failed for the " + message.attempt() + ". time");
		});
		DeadLetter dead = awaitDeadLetters(1).get(0);
		assertThat(attempts).containsExactly(1, 2, 3, 4);
		for (int i = 1; i < 4; i++) {
			assertThat(millisBetween(times, i)).as("delay %d", i).isGreaterThanOrEqualTo((60L << (i - 1)) - 5);
		}
		assertThat(dead.id()).isEqualTo(sent.id());
		assertThat(dead.attempts()).isEqualTo(4);
		assertThat(dead.errorClass()).isEqualTo("java.lang.IllegalStateException");
		assertThat(dead.errorMessage()).isEqualTo("failed for the 4. time");
		assertThat(this.application.events().failed(this.queue)).isEqualTo(4);
		Await.until("the event came", () -> this.application.events().deadLettered(this.queue) == 1);
		assertNothingIsLeft();
	}

	@Test
	void aRetryThatIsDueBeforeTheNextPollIsDeliveredInTime() {
		this.application.queues().send(this.queue, "x");
		this.application
			.handle(TestApplication.options(this.queue).pollInterval(Duration.ofHours(1)).build(), (message) -> {
				if (message.attempt() < 3) {
					throw new IllegalStateException("not yet");
				}
			})
			.start();
		Await.until("it was acknowledged", () -> this.application.events().completed(this.queue) == 1);
	}

	@Test
	void aHandlerThatSucceedsInTheEndLeavesNoDeadLetter() {
		this.application.queues().send(this.queue, "x");
		start(TestApplication.QUICK, (message) -> {
			if (message.attempt() < 4) {
				throw new IllegalStateException("not yet");
			}
		});
		Await.until("it was acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.application.admin().deadLetters(this.queue, 10)).isEmpty();
		assertThat(this.application.events().failed(this.queue)).isEqualTo(3);
		assertNothingIsLeft();
	}

	@Test
	void aSingleAttemptMeansADeadLetterAtTheFirstFailure() {
		this.application.queues().send(this.queue, "x");
		start(TestApplication.ONCE, (message) -> {
			throw new IllegalStateException("failed");
		});
		assertThat(awaitDeadLetters(1).get(0).attempts()).isEqualTo(1);
		assertThat(this.application.events().failed(this.queue)).isEqualTo(1);
	}

	@Test
	void checkedExceptionsAreFailuresLikeAnyOther() {
		this.application.queues().send(this.queue, "x");
		start(TestApplication.ONCE, (message) -> {
			throw new IOException("the mail server is away");
		});
		assertThat(awaitDeadLetters(1).get(0).errorClass()).isEqualTo("java.io.IOException");
	}

	@Test
	void aFailureIsOneShortLineOfInformationAndADeadLetterOneWarning() {
		this.application.queues().send(this.queue, "x");
		try (CapturedLog log = new CapturedLog()) {
			start(new RetryPolicy(2, Duration.ofMillis(10), 1, Duration.ofMillis(10), 0), (message) -> {
				throw new IllegalStateException("line one\nline two " + "x".repeat(5_000));
			});
			awaitDeadLetters(1);
			List<String> lines = log.lines(Level.INFO).stream().filter((line) -> line.contains("Message ")).toList();
			assertThat(lines).hasSize(2).allMatch((line) -> line.length() < 500 && !line.contains("\n"));
			assertThat(lines.get(0)).contains("attempt 1 of 2", "next in 10 ms", "line one line two");
			assertThat(lines.get(1)).contains("is a dead letter", "attempt 2 of 2 failed");
			assertThat(log.lines(Level.WARN)).containsExactly(lines.get(1));
		}
	}

	@Test
	void messagesThatFailDoNotHoldUpTheOthers() {
		Set<String> handled = ConcurrentHashMap.newKeySet();
		List<String> payloads = IntStream.range(0, 200).mapToObj(String::valueOf).toList();
		this.application.queues().sendAll(this.queue, payloads);
		start(new RetryPolicy(5, Duration.ofMinutes(1), 1, Duration.ofMinutes(1), 0), (message) -> {
			if (Integer.parseInt(message.payload()) % 10 == 0) {
				throw new IllegalStateException("failed");
			}
			handled.add(message.payload());
		});
		Await.until("180 are acknowledged", () -> this.application.events().completed(this.queue) == 180);
		Await.until("20 wait for their next attempt", () -> waiting() == 20);
		assertThat(handled).hasSize(180);
		assertThat(rows("lease", "true")).isZero();
	}

	@Test
	void oneMessageOfABatchThatCannotBeReadIsADeadLetterAndTheOthersAreHandled() {
		for (int i = 0; i < 10; i++) {
			this.application.queues().send(this.queue, (i == 4) ? "secret-4711" : i);
		}
		Set<Integer> handled = ConcurrentHashMap.newKeySet();
		this.application.listen(TestApplication.options(this.queue).batchSize(10).build(), new Object() {

			void on(List<Integer> numbers) {
				handled.addAll(numbers);
			}

		}).start();
		Await.until("nine are acknowledged", () -> this.application.events().completed(this.queue) == 9);
		DeadLetter dead = awaitDeadLetters(1).get(0);
		assertThat(handled).containsExactlyInAnyOrder(0, 1, 2, 3, 5, 6, 7, 8, 9);
		assertThat(dead.attempts()).isEqualTo(1);
		assertThat(dead.errorMessage()).contains("cannot be read as java.lang.Integer").doesNotContain("4711");
	}

	@Test
	void aBatchThatFailsIsDeliveredAgainAsAWhole() {
		Set<String> first = ConcurrentHashMap.newKeySet();
		Set<String> second = ConcurrentHashMap.newKeySet();
		List<String> payloads = IntStream.range(0, 10).mapToObj(String::valueOf).toList();
		this.application.queues().sendAll(this.queue, payloads);
		this.application.handleBatches(TestApplication.options(this.queue).batchSize(10).build(), (messages) -> {
			for (QueueMessage<String> message : messages) {
				((message.attempt() == 1) ? first : second).add(message.payload());
			}
			if (messages.get(0).attempt() == 1) {
				throw new IllegalStateException("the batch failed");
			}
		}).start();
		Await.until("all are acknowledged", () -> this.application.events().completed(this.queue) == 10);
		assertThat(first).containsExactlyInAnyOrderElementsOf(payloads);
		assertThat(second).containsExactlyInAnyOrderElementsOf(payloads);
		assertThat(this.application.events().failed(this.queue)).isEqualTo(10);
	}

	@Test
	void aHeaderThatCannotBeConvertedIsADeadLetterAtOnce() {
		this.application.queues().send(this.queue, "x", (options) -> options.header("size", "large"));
		this.application.listen(TestApplication.options(this.queue).build(), new Object() {

			void on(String payload, @Header("size") int size) {
				throw new IllegalStateException("must not be called");
			}

		}).start();
		DeadLetter dead = awaitDeadLetters(1).get(0);
		assertThat(dead.attempts()).isEqualTo(1);
		assertThat(this.application.events().failed(this.queue)).isEqualTo(1);
	}

	@Test
	void aRequiredHeaderThatIsMissingIsADeadLetterAtOnce() {
		this.application.queues().send(this.queue, "x");
		this.application.listen(TestApplication.options(this.queue).build(), new Object() {

			void on(String payload, @Header("size") int size) {
				throw new IllegalStateException("must not be called");
			}

		}).start();
		DeadLetter dead = awaitDeadLetters(1).get(0);
		assertThat(dead.attempts()).isEqualTo(1);
		assertThat(dead.errorMessage()).contains("size");
	}

	@Test
	void aDelayOfCenturiesKeepsTheMessageAndDoesNotKeepTheContainerBusy() {
		Duration centuries = Duration.ofDays(365 * 400);
		try (TestApplication counting = TestApplication.builder(this.database)
			.pooled(new ObservedDataSource(this.database.dataSource()))
			.build()) {
			ObservedDataSource statements = (ObservedDataSource) counting.pooled();
			counting.queues().send(this.queue, "x");
			counting.handle(TestApplication.options(this.queue)
				.pollInterval(Duration.ofMillis(100))
				.retryPolicy(new RetryPolicy(2, centuries, 1, centuries, 0))
				.build(), (message) -> {
					throw new IllegalStateException("failed");
				}).start();
			Await.until("the message waits", () -> waiting() == 1);
			long claims = statements.count("claim(");
			long started = System.nanoTime();
			Await.until("there were five polls", () -> statements.count("claim(") >= claims + 6);
			assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThan(Duration.ofMillis(400));
		}
	}

	private void start(RetryPolicy policy, Handler handler) {
		this.application.handle(TestApplication.options(this.queue).retryPolicy(policy).build(), handler).start();
	}

	private List<DeadLetter> awaitDeadLetters(int count) {
		Await.until(count + " messages were given up",
				() -> this.application.admin().deadLetters(this.queue, 100).size() == count);
		return this.application.admin().deadLetters(this.queue, 100);
	}

	private void assertNothingIsLeft() {
		assertThat(rows("lease", "true")).isZero();
		assertThat(rows("retry", "true")).isZero();
	}

	private int waiting() {
		return rows("retry", "worker_id IS NULL");
	}

	private int rows(String table, String condition) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table
					+ " t JOIN pgqueue.queue q ON q.id = t.queue_id WHERE q.name = ? AND " + condition)
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	private static long millisBetween(List<Long> times, int index) {
		return Duration.ofNanos(times.get(index) - times.get(index - 1)).toMillis();
	}

}
