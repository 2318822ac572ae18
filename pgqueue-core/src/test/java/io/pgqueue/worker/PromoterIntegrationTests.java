package io.pgqueue.worker;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

import javax.sql.DataSource;

import ch.qos.logback.classic.Level;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.MessageLog;
import io.pgqueue.engine.MessageLog.Timing;
import io.pgqueue.engine.Queues;
import io.pgqueue.listener.CapturedLog;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.datasource.DelegatingDataSource;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class PromoterIntegrationTests {

	private static final String QUEUE = "promoted";

	private final TestDatabase database;

	private final WakeUps wakeUps = new WakeUps();

	private final AtomicBoolean away = new AtomicBoolean();

	private final AtomicInteger connections = new AtomicInteger();

	private final AtomicInteger refused = new AtomicInteger();

	private final Promoter promoter;

	PromoterIntegrationTests(TestDatabase database) {
		this.database = database;
		this.promoter = new Promoter(new Database(counting(database.dataSource()), TestDatabase.SCHEMA), this.wakeUps);
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		new Queues(new Database(database.dataSource(), TestDatabase.SCHEMA)).declare(QUEUE);
	}

	@AfterEach
	void stop() {
		this.promoter.stop();
	}

	@Test
	void promotesWhatIsDueAndWakesWhoWaitsForTheQueue() throws InterruptedException {
		WakeUp waiting = new WakeUp();
		WakeUp waitingForOthers = new WakeUp();
		this.wakeUps.add(QUEUE, 1, 1, waiting);
		this.wakeUps.add("other", 2, 2, waitingForOthers);
		this.promoter.start();
		schedule(200_000);
		assertThat(waiting.await(Duration.ofSeconds(20))).isTrue();
		assertThat(waitingForOthers.await(Duration.ZERO)).isFalse();
		assertThat(scheduled()).isZero();
	}

	@Test
	void endsAndStartsAgainAndHoldsNoConnectionWhileItSleeps() {
		this.promoter.start();
		schedule(1);
		Await.until("it is promoted", () -> scheduled() == 0);
		Await.until("it holds no connection", () -> this.connections.get() == 0);
		assertThat(threads()).isOne();
		this.promoter.stop();
		assertThat(threads()).isZero();
		schedule(1);
		this.promoter.start();
		Await.until("it is promoted", () -> scheduled() == 0);
	}

	private static long threads() {
		return Thread.getAllStackTraces()
			.keySet()
			.stream()
			.filter((thread) -> thread.getName().equals("pgqueue-promoter"))
			.count();
	}

	@Test
	void goesOnByItselfWhenTheDatabaseWasAwayAndSaysSoOnce() {
		this.promoter.start();
		schedule(1);
		Await.until("it is promoted", () -> scheduled() == 0);
		try (CapturedLog log = new CapturedLog()) {
			this.away.set(true);
			this.database.jdbc()
				.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%promote(%' "
						+ "AND pid <> pg_backend_pid() AND datname = current_database()")
				.query(Boolean.class)
				.list();
			Await.until("it was noticed", () -> !warnings(log).isEmpty());
			Await.until("it was tried again", () -> this.refused.get() >= 3);
			schedule(1);
			this.away.set(false);
			Await.until("it is promoted", () -> scheduled() == 0);
			assertThat(warnings(log)).hasSize(1);
		}
	}

	private static List<String> warnings(CapturedLog log) {
		return log.lines(Level.WARN).stream().filter((line) -> line.contains("Scheduled messages")).toList();
	}

	private void schedule(long micros) {
		new MessageLog(new Database(this.database.dataSource(), TestDatabase.SCHEMA)).sendTimed(QUEUE, List.of("1"),
				Collections.singletonList(null), new Timing(null, micros, null));
	}

	private long scheduled() {
		return this.database.jdbc().sql("SELECT count(*) FROM pgqueue.scheduled").query(Long.class).single();
	}

	/**
	 * Opens connections unless the database is away, and counts those that are open.
	 */
	private DataSource counting(DataSource target) {
		return new DelegatingDataSource(target) {

			@Override
			public Connection getConnection() throws SQLException {
				if (PromoterIntegrationTests.this.away.get()) {
					PromoterIntegrationTests.this.refused.incrementAndGet();
					throw new SQLException("away", "08001");
				}
				Connection connection = super.getConnection();
				PromoterIntegrationTests.this.connections.incrementAndGet();
				return (Connection) Proxy.newProxyInstance(getClass().getClassLoader(),
						new Class<?>[] { Connection.class }, (proxy, method, arguments) -> {
							if (method.getName().equals("close")) {
								PromoterIntegrationTests.this.connections.decrementAndGet();
							}
							try {
								return method.invoke(connection, arguments);
							}
							catch (InvocationTargetException ex) {
								throw ex.getTargetException();
							}
						});
			}

		};
	}

}
