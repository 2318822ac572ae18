package io.pgqueue.listener;

import java.time.Duration;

import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class IdleIntegrationTests {

	private final TestDatabase database;

	IdleIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void anIdleContainerAssignsNoTransactionIds() {
		this.database.migrate();
		ObservedDataSource observed = new ObservedDataSource(this.database.dataSource());
		try (TestApplication application = TestApplication.builder(this.database).pooled(observed).build()) {
			String queue = application.declareQueue();
			application.handle(TestApplication.options(queue).pollInterval(Duration.ofMillis(5)).build(), (message) -> {
			}).start();
			application.queues().send(queue, "x");
			Await.until("the first message is acknowledged", () -> application.events().completed(queue) == 1);
			// Others may use the server: one quiet span out of many is proof, because a
			// poll that writes would write every time.
			Await.until("a span of twenty polls passes without a transaction id", () -> {
				long before = nextTransactionId();
				long polls = observed.count("claim(");
				Await.until("there were twenty polls", () -> observed.count("claim(") >= polls + 20);
				return nextTransactionId() == before;
			});
		}
	}

	@Test
	void anIdleContainerLooksOncePerPollInterval() {
		this.database.migrate();
		ObservedDataSource observed = new ObservedDataSource(this.database.dataSource());
		try (TestApplication application = TestApplication.builder(this.database).pooled(observed).build()) {
			String queue = application.declareQueue();
			application
				.handle(TestApplication.options(queue).pollInterval(Duration.ofMillis(50)).build(), (message) -> {
				})
				.start();
			Await.until("it has looked", () -> observed.count("claim(") > 0);
			long looks = observed.count("claim(");
			long started = System.nanoTime();
			Await.until("it has looked ten times more", () -> observed.count("claim(") >= looks + 10);
			assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThan(Duration.ofMillis(440));
			assertThat(observed.count("settle")).isZero();
		}
	}

	private long nextTransactionId() {
		return this.database.jdbc()
			.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
			.query(Long.class)
			.single();
	}

}
