package io.pgqueue.listener;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import io.pgqueue.test.Await;
import io.pgqueue.test.PrivateServer;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

@Tag("postgres")
class DatabaseRestartIntegrationTests {

	@Test
	void aContainerGoesOnByItselfAfterARestartOfTheDatabase() {
		try (PrivateServer server = PrivateServer.start(Map.of())) {
			TestDatabase database = server.createDatabase();
			database.migrate();
			Set<Long> handled = ConcurrentHashMap.newKeySet();
			CountDownLatch gate = new CountDownLatch(1);
			AtomicInteger blocked = new AtomicInteger();
			try (TestApplication application = TestApplication.builder(database)
				.pooled(database.pool((config) -> config.setConnectionTimeout(1_000)))
				.timeout(Duration.ofSeconds(5))
				.build()) {
				String queue = application.declareQueue();
				application.handle(TestApplication.options(queue).concurrency(2).build(), (message) -> {
					if (message.payload().equals("across the restart")) {
						blocked.incrementAndGet();
						gate.await();
					}
					handled.add(message.id());
				}).start();
				application.queues().send(queue, "across the restart");
				send(application, queue, 100);
				Await.until("all but one were handled",
						() -> blocked.get() == 1 && application.events().completed(queue) == 100);
				try (CapturedLog log = new CapturedLog()) {
					server.killPostmaster();
					gate.countDown();
					Await.until("the outage was noticed", () -> log.lines(Level.WARN).size() >= 2);
					server.restart();
					Await.until("the outcome was written", () -> handled.size() == 101 && held(database) == 0);
					assertThat(log.lines(Level.WARN)).hasSizeLessThan(8);
				}
				// Nothing is held either if the crash undid the claims: then nobody has
				// waited yet until the pool has connections again.
				Await.until("messages can be sent", () -> {
					send(application, queue, 50);
					return true;
				});
				Await.until("later messages were handled", () -> handled.size() == 151);
			}
		}
	}

	@Test
	void anApplicationStopsInTimeWhileTheDatabaseIsAway() {
		try (PrivateServer server = PrivateServer.start(Map.of())) {
			TestDatabase database = server.createDatabase();
			database.migrate();
			CountDownLatch gate = new CountDownLatch(1);
			AtomicInteger blocked = new AtomicInteger();
			TestApplication application = TestApplication.builder(database)
				.pooled(database.pool((config) -> config.setConnectionTimeout(1_000)))
				.build();
			String queue = application.declareQueue();
			application
				.handle(TestApplication.options(queue).concurrency(2).shutdownTimeout(Duration.ofSeconds(1)).build(),
						(message) -> {
							blocked.incrementAndGet();
							gate.await();
						})
				.start();
			send(application, queue, 2);
			Await.until("two are being handled", () -> blocked.get() == 2);
			server.killPostmaster();
			long started = System.nanoTime();
			application.close();
			assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(15));
			server.restart();
			Set<Long> handled = ConcurrentHashMap.newKeySet();
			try (TestApplication other = TestApplication.builder(database).timeout(Duration.ofSeconds(1)).build()) {
				other.handle(TestApplication.options(queue).build(), (message) -> handled.add(message.id())).start();
				Await.until("another process has handled both", () -> handled.size() == 2);
			}
		}
	}

	private static void send(TestApplication application, String queue, int count) {
		application.queues().sendAll(queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	private static int held(TestDatabase database) {
		return database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
			.query(Integer.class)
			.single();
	}

}
