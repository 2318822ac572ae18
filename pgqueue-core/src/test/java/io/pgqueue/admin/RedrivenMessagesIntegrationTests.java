package io.pgqueue.admin;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;

import io.pgqueue.QueueHeaders;
import io.pgqueue.SendResult;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What listeners see of messages that were redriven (pains 13).
 */
@PgQueueDatabase
class RedrivenMessagesIntegrationTests {

	private final TestApplication application;

	private final QueueAdmin admin;

	private final String queue;

	private final Map<Long, List<Integer>> attempts = new ConcurrentHashMap<>();

	private volatile boolean repaired;

	RedrivenMessagesIntegrationTests(TestDatabase database) {
		this.application = TestApplication.on(database);
		this.admin = this.application.admin();
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
	void aThousandFailedMessagesAreRedrivenByErrorClassAndEachRunsExactlyOnceMore() {
		this.application
			.handle(TestApplication.options(this.queue).concurrency(8).retryPolicy(TestApplication.ONCE).build(),
					(message) -> {
						this.attempts.computeIfAbsent(message.id(), (id) -> new CopyOnWriteArrayList<>())
							.add(message.attempt());
						if (!this.repaired) {
							throw (Integer.parseInt(message.payload()) % 2 == 0) ? new IllegalStateException("even")
									: new IllegalArgumentException("odd");
						}
					})
			.start();
		List<SendResult> sent = this.application.queues()
			.sendAll(this.queue, IntStream.range(0, 1_000).mapToObj(String::valueOf).toList());
		Await.until("all failed", () -> this.admin.deadLetters(this.queue, 10_000).size() == 1_000);
		this.repaired = true;
		assertThat(this.admin
			.redrive(DeadLetterFilter.ofQueue(this.queue).withErrorClass("java.lang.IllegalStateException")))
			.isEqualTo(500);
		Await.until("the redriven ones are done", () -> this.application.events().completed(this.queue) >= 500);
		assertThat(this.admin.deadLetters(this.queue, 10_000)).hasSize(500)
			.allMatch((letter) -> letter.errorClass().equals("java.lang.IllegalArgumentException"));
		this.application.close();
		assertThat(this.application.events().completed(this.queue)).isEqualTo(500);
		for (int i = 0; i < 1_000; i++) {
			assertThat(this.attempts.get(sent.get(i).id())).isEqualTo((i % 2 == 0) ? List.of(1, 1) : List.of(1));
		}
		assertThat(this.attempts).hasSize(1_000);
	}

	@Test
	void aHandlerSeesWhyTheMessageHadDiedButNotAmongTheHeadersThatItMaySendOn() {
		List<MessageHeaders> all = new CopyOnWriteArrayList<>();
		Set<Map<String, Object>> senders = ConcurrentHashMap.newKeySet();
		String next = this.application.declareQueue();
		this.application.listen(TestApplication.options(this.queue).retryPolicy(TestApplication.ONCE).build(),
				new Object() {

					void on(Message<String> message) {
						if (!RedrivenMessagesIntegrationTests.this.repaired) {
							throw new IllegalStateException("refused");
						}
						all.add(message.getHeaders());
						RedrivenMessagesIntegrationTests.this.application.queues().send(next, message);
					}

				});
		this.application.handle(TestApplication.options(next).build(), (message) -> {
			senders.add(message.headers());
			if (message.attempt() == 1 && message.headers().containsKey(QueueHeaders.REDRIVES)) {
				throw new IllegalStateException("the headers of a redrive were sent on");
			}
		});
		this.application.start();
		this.application.queues().send(this.queue, "x", (options) -> options.header("tenant", "acme"));
		DeadLetter letter = awaitDeadLetter();
		this.repaired = true;
		this.admin.redrive(letter.key());
		Await.until("it was handled and sent on", () -> this.application.events().completed(next) == 1);
		assertThat(all).singleElement().satisfies((headers) -> {
			assertThat(headers.get(QueueHeaders.ATTEMPT)).isEqualTo(1);
			assertThat(headers.get(QueueHeaders.REDRIVES)).isEqualTo(1);
			assertThat(Instant.parse((String) headers.get(QueueHeaders.DEAD_AT))).isEqualTo(letter.deadAt());
			assertThat(headers.get(QueueHeaders.DEAD_REASON)).isEqualTo("attempt 1 of 1 failed");
			assertThat(headers.get(QueueHeaders.DEAD_ERROR_CLASS)).isEqualTo("java.lang.IllegalStateException");
			assertThat(headers.get("tenant")).isEqualTo("acme");
		});
		assertThat(senders).containsExactly(Map.of("tenant", "acme"));
	}

	@Test
	void theHeadersOfAQueueMessageAreTheSendersOnly() {
		List<Map<String, Object>> seen = new ArrayList<>();
		this.application.handle(TestApplication.options(this.queue).retryPolicy(TestApplication.ONCE).build(),
				(message) -> {
					seen.add(message.headers());
					if (!this.repaired) {
						throw new IllegalStateException("refused");
					}
				});
		this.application.start();
		this.application.queues().send(this.queue, "x", (options) -> options.header("tenant", "acme"));
		DeadLetter letter = awaitDeadLetter();
		this.repaired = true;
		this.admin.redrive(letter.key());
		Await.until("it was handled", () -> this.application.events().completed(this.queue) == 1);
		assertThat(seen).containsExactly(Map.of("tenant", "acme"), Map.of("tenant", "acme"));
	}

	@Test
	void aMessageThatDiesAgainSaysHowOftenItWasRedrivenAndHasHadAllItsAttempts() {
		this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
			this.attempts.computeIfAbsent(message.id(), (id) -> new CopyOnWriteArrayList<>()).add(message.attempt());
			throw new IllegalStateException("always");
		}).start();
		long id = this.application.queues().send(this.queue, "x").id();
		DeadLetter first = awaitDeadLetter();
		this.admin.redrive(first.key());
		Await.until("it died again",
				() -> this.admin.deadLetters(this.queue, 1)
					.stream()
					.anyMatch((letter) -> letter.deadAt().isAfter(first.deadAt())));
		assertThat(this.admin.deadLetters(this.queue, 10)).singleElement().satisfies((letter) -> {
			assertThat(letter.id()).isEqualTo(id);
			assertThat(letter.redrives()).isOne();
			assertThat(letter.attempts()).isEqualTo(4);
			assertThat(letter.enqueuedAt()).isEqualTo(first.enqueuedAt());
		});
		assertThat(this.attempts.get(id)).containsExactly(1, 2, 3, 4, 1, 2, 3, 4);
	}

	private DeadLetter awaitDeadLetter() {
		Await.until("there is a dead letter", () -> this.admin.deadLetters(this.queue, 1).size() == 1);
		return this.admin.deadLetters(this.queue, 1).get(0);
	}

}
