package io.pgqueue.listener;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.Stream;

import javax.sql.DataSource;

import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import org.springframework.jdbc.datasource.DelegatingDataSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * No thread of an application ends before it is stopped.
 */
@PgQueueDatabase
class SupervisionIntegrationTests {

	private final TestDatabase database;

	private final Set<Long> handled = ConcurrentHashMap.newKeySet();

	private final Set<Thread> before = Thread.getAllStackTraces().keySet();

	private Failing pooled;

	private Failing direct;

	private TestApplication application;

	private String queue;

	private Set<Thread> own;

	SupervisionIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void start() {
		this.pooled = new Failing(this.database.dataSource());
		this.direct = new Failing(this.database.directDataSource());
		this.application = TestApplication.builder(this.database)
			.pooled(this.pooled)
			.direct(this.direct)
			.notifications()
			.timeout(Duration.ofSeconds(1))
			.build();
		this.queue = this.application.declareQueue();
		this.application
			.handle(TestApplication.options(this.queue).build(), (message) -> this.handled.add(message.id()))
			.start();
		sendAndAwait("first", 1);
		this.own = ConcurrentHashMap.newKeySet();
		Thread.getAllStackTraces()
			.keySet()
			.stream()
			.filter((thread) -> thread.getName().startsWith("pgqueue-") && !this.before.contains(thread)
					&& !thread.getName().matches(".*-\\d+"))
			.forEach(this.own::add);
		assertThat(this.own).extracting(Thread::getName)
			.containsExactlyInAnyOrder("pgqueue-worker", "pgqueue-promoter", "pgqueue-settler", "pgqueue-timeouts",
					"pgqueue-notifier", "pgqueue-notifications", "pgqueue-" + this.queue + "-fetcher");
	}

	@AfterEach
	void close() {
		this.application.close();
		this.own.forEach((thread) -> Await.until(thread + " has ended", () -> !thread.isAlive()));
	}

	@Test
	void anInterruptFromOutsideEndsNone() {
		for (int i = 0; i < 20; i++) {
			this.own.forEach(Thread::interrupt);
			int count = i;
			Await.until("a round has passed", () -> this.application.queues().send(this.queue, count).created());
		}
		assertThat(this.own).allMatch(Thread::isAlive);
		Await.until("all were handled", () -> this.handled.size() == 21);
		Await.until("all were acknowledged", () -> this.application.events().completed(this.queue) == 21);
		beats();
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("failures")
	void noFailureOfTheDatabaseEndsAny(String name, Supplier<Throwable> failure) {
		this.pooled.failure = failure;
		this.direct.failure = failure;
		this.database.jdbc()
			.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
					+ " WHERE datname = current_database() AND pid <> pg_backend_pid()")
			.query(Long.class)
			.single();
		Await.until("all have failed more than once",
				() -> this.pooled.failures.get() > 2 && this.direct.failures.get() > 3);
		this.pooled.failure = null;
		this.direct.failure = null;
		sendAndAwait("afterwards", 2);
		assertThat(this.own).allMatch(Thread::isAlive);
		beats();
	}

	static Stream<Arguments> failures() {
		return Stream.of(failure("an exception of the driver", () -> new SQLException("pretended", "08001")),
				failure("an exception of a pool", () -> new IllegalStateException("pretended")),
				failure("no memory", () -> new OutOfMemoryError("pretended")),
				failure("a class that cannot be loaded", () -> new NoClassDefFoundError("no/Such")),
				failure("no stack", StackOverflowError::new));
	}

	private static Arguments failure(String name, Supplier<Throwable> failure) {
		return Arguments.of(name, failure);
	}

	private void sendAndAwait(String payload, int total) {
		Await.until("it can be sent", () -> this.application.queues().send(this.queue, payload).created());
		Await.until("it was handled", () -> this.handled.size() == total);
		Await.until("it was acknowledged", () -> this.application.events().completed(this.queue) == total);
	}

	/**
	 * Waits for what the worker and the promoter do.
	 */
	private void beats() {
		int count = this.handled.size();
		this.application.queues().send(this.queue, "later", (options) -> options.delay(Duration.ofMillis(10)));
		Await.until("it was promoted", () -> this.handled.size() == count + 1);
		this.database.jdbc().sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL").update();
		this.application.queues().send(this.queue, "to be handled under a new registration");
		Await.until("the worker has registered anew", () -> this.handled.size() == count + 2);
	}

	/**
	 * Fails on request.
	 */
	private static final class Failing extends DelegatingDataSource {

		private final AtomicInteger failures = new AtomicInteger();

		private volatile Supplier<Throwable> failure;

		Failing(DataSource target) {
			super(target);
		}

		@Override
		public Connection getConnection() throws SQLException {
			Supplier<Throwable> current = this.failure;
			if (current != null) {
				this.failures.incrementAndGet();
				Failing.<RuntimeException>raise(current.get());
			}
			return super.getConnection();
		}

		@SuppressWarnings("unchecked")
		private static <T extends Throwable> void raise(Throwable failure) throws T {
			throw (T) failure;
		}

	}

}
