package io.pgqueue.listener;

import java.lang.reflect.UndeclaredThrowableException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.DeadLetterException;
import io.pgqueue.RetryLaterException;
import io.pgqueue.RetryPolicy;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * {@link RetryLaterException} and {@link DeadLetterException}.
 */
@PgQueueDatabase
class HandlerWishesIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final List<Integer> attempts = new CopyOnWriteArrayList<>();

	HandlerWishesIntegrationTests(TestDatabase database) {
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
	void puttingAMessageOffAHundredTimesCostsNoAttempt() {
		this.application.queues().send(this.queue, "x");
		start((message) -> {
			this.attempts.add(message.attempt());
			if (this.attempts.size() <= 100) {
				throw new RetryLaterException(Duration.ZERO, false);
			}
		});
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.attempts).hasSize(101).containsOnly(1);
	}

	@Test
	void puttingAMessageOffAfterAFailureKeepsTheNumberOfAttempts() {
		this.application.queues().send(this.queue, "x");
		start((message) -> {
			this.attempts.add(message.attempt());
			if (this.attempts.size() == 1) {
				throw new IllegalStateException("failed");
			}
			if (this.attempts.size() < 5) {
				throw new RetryLaterException(Duration.ofMillis(1), false);
			}
		});
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.attempts).containsExactly(1, 2, 2, 2, 2);
	}

	@Test
	void aRetryThatCountsEndsAfterTheLastAttempt() {
		this.application.queues().send(this.queue, "x");
		start((message) -> {
			this.attempts.add(message.attempt());
			throw new RetryLaterException(Duration.ZERO);
		});
		assertThat(awaitDeadLetter().attempts()).isEqualTo(4);
		assertThat(this.attempts).containsExactly(1, 2, 3, 4);
	}

	@Test
	void theDelayIsThatOfTheHandler() {
		this.application.queues().send(this.queue, "x");
		start((message) -> {
			throw new UndeclaredThrowableException(new RetryLaterException(Duration.ofHours(3)));
		});
		Await.until("it waits", () -> seconds() != null);
		assertThat(seconds()).isBetween(3 * 3_600.0 - 60, 3 * 3_600.0);
	}

	@Test
	void aMessageThatTheHandlerGivesUpIsADeadLetterAtTheFirstAttemptWithTheReason() {
		this.application.queues().send(this.queue, "x");
		start((message) -> {
			this.attempts.add(message.attempt());
			throw new DeadLetterException("the order is gone");
		});
		DeadLetter dead = awaitDeadLetter();
		assertThat(this.attempts).containsExactly(1);
		assertThat(dead.attempts()).isEqualTo(1);
		assertThat(dead.errorClass()).isEqualTo(DeadLetterException.class.getName());
		assertThat(dead.errorMessage()).isEqualTo("the order is gone");
	}

	@Test
	void aStageMayWishTheSame() {
		this.application.queues().send(this.queue, "x");
		this.application.listen(TestApplication.options(this.queue).build(), new Object() {

			CompletionStage<?> on(String payload) {
				HandlerWishesIntegrationTests.this.attempts.add(0);
				return CompletableFuture.runAsync(() -> {
					throw new DeadLetterException("the order is gone");
				}).thenRun(() -> {
				});
			}

		}).start();
		assertThat(awaitDeadLetter().attempts()).isEqualTo(1);
		assertThat(this.attempts).hasSize(1);
	}

	@Test
	void aFailureThatIsNotRetryableIsADeadLetterAtTheFirstAttempt() {
		this.application.queues().send(this.queue, "x");
		this.application.handle(TestApplication.options(this.queue)
			.retryPolicy(RetryPolicy.DEFAULT.withFatal(IllegalArgumentException.class))
			.build(), (message) -> {
				this.attempts.add(message.attempt());
				throw new UndeclaredThrowableException(new IllegalArgumentException("no such order"));
			}).start();
		assertThat(awaitDeadLetter().attempts()).isEqualTo(1);
		assertThat(this.attempts).containsExactly(1);
	}

	private void start(Handler handler) {
		this.application.handle(TestApplication.options(this.queue).build(), handler).start();
	}

	private DeadLetter awaitDeadLetter() {
		Await.until("it was given up", () -> this.application.admin().deadLetters(this.queue, 10).size() == 1);
		return this.application.admin().deadLetters(this.queue, 10).get(0);
	}

	private Double seconds() {
		return this.database.jdbc()
			.sql("SELECT extract(epoch FROM r.due_at - clock_timestamp())::float8 FROM pgqueue.retry r"
					+ " JOIN pgqueue.queue q ON q.id = r.queue_id WHERE q.name = ? AND r.worker_id IS NULL")
			.param(this.queue)
			.query(Double.class)
			.optional()
			.orElse(null);
	}

}
