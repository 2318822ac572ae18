package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * An application on a server that cancels every statement after 200 ms.
 */
@PgQueueDatabase
class StatementTimeoutIntegrationTests {

	private static final int MESSAGES = 300;

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final Map<Long, Integer> attempts = new ConcurrentHashMap<>();

	StatementTimeoutIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.builder(database)
			.pooled(database.pool((config) -> config.setMaximumPoolSize(5)))
			.timeout(Duration.ofSeconds(1))
			.build();
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void limit(TestDatabase database) {
		database.migrate();
		try (Session session = new Session(database.directDataSource())) {
			session.execute("ALTER DATABASE " + database.name() + " SET statement_timeout = '200ms'");
			session.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$"
					+ " BEGIN PERFORM pg_sleep(0.002); RETURN coalesce(NEW, OLD); END $$");
		}
	}

	@AfterEach
	void close() {
		this.application.close();
		this.database.jdbc().sql("DROP TRIGGER IF EXISTS slow ON pgqueue.retry").update();
		this.database.jdbc().sql("DROP TRIGGER IF EXISTS slow ON pgqueue.dead_letter").update();
	}

	@ParameterizedTest
	@ValueSource(strings = { "lease", "message", "retry", "heartbeat", "scheduled" })
	void whatIsCancelledIsTriedAgainUntilItWorks(String table) {
		this.application.handle(TestApplication.options(this.queue).concurrency(2).build(), (message) -> {
			int attempt = this.attempts.merge(message.id(), 1, Integer::sum);
			if (message.payload().equals("fails") && attempt == 1) {
				throw new IllegalStateException("failed");
			}
		}).start();
		this.application.queues().send(this.queue, "first");
		Await.until("one was handled", () -> this.application.events().completed(this.queue) == 1);
		this.application.queues().sendAll(this.queue, List.of("fails", "succeeds"));
		this.application.queues().send(this.queue, "later", (options) -> options.delay(Duration.ofMillis(50)));
		try (CapturedLog log = new CapturedLog()) {
			try (DatabaseLock lock = DatabaseLock.on(this.database, "pgqueue." + table)) {
				lock.awaitBlocked();
				long until = System.nanoTime() + Duration.ofMillis(1_000).toNanos();
				Await.until("a second has passed", () -> System.nanoTime() - until > 0);
			}
			Await.until("all were handled", () -> this.application.events().completed(this.queue) == 4);
			assertThat(log.mostInASecond(Level.WARN)).isLessThan(2);
		}
		assertThat(this.attempts.values()).as("deliveries").containsExactlyInAnyOrder(1, 1, 1, 2);
	}

	@Test
	void moreFailuresThanTheServerMovesAtATimeAreWrittenInParts() {
		this.database.jdbc()
			.sql("CREATE TRIGGER slow BEFORE INSERT ON pgqueue.retry FOR EACH ROW EXECUTE FUNCTION slow()")
			.update();
		sendAll();
		this.application.handleBatches(TestApplication.options(this.queue).batchSize(MESSAGES).build(), (messages) -> {
			messages.forEach((message) -> this.attempts.merge(message.id(), 1, Integer::sum));
			if (messages.get(0).attempt() == 1) {
				throw new IllegalStateException("failed");
			}
		}).start();
		Await.until("all were handled", () -> this.application.events().completed(this.queue) == MESSAGES);
		assertThat(this.attempts).hasSize(MESSAGES);
		assertThat(this.attempts.values()).containsOnly(2);
	}

	@Test
	void moreDeadLettersThanTheServerWritesAtATimeAreWrittenInParts() {
		this.database.jdbc()
			.sql("CREATE TRIGGER slow BEFORE INSERT ON pgqueue.dead_letter FOR EACH ROW EXECUTE FUNCTION slow()")
			.update();
		sendAll();
		this.application
			.handle(TestApplication.options(this.queue).retryPolicy(TestApplication.ONCE).build(), (message) -> {
				throw new IllegalStateException("failed");
			})
			.start();
		Await.until("all were given up", () -> this.application.events().deadLettered(this.queue) == MESSAGES);
		assertThat(this.application.admin().deadLetters(this.queue, 1_000)).hasSize(MESSAGES);
	}

	private void sendAll() {
		this.application.queues().sendAll(this.queue, IntStream.range(0, MESSAGES).mapToObj(String::valueOf).toList());
	}

}
