package io.pgqueue.listener;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import javax.sql.DataSource;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.SchemaException;
import io.pgqueue.test.Await;
import io.pgqueue.test.PrivateServer;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

import org.springframework.jdbc.datasource.DelegatingDataSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * A server, and its standby that takes over in the last test. Idle queues are looked into
 * every ten minutes, as long as notifications arrive.
 */
@Tag("postgres")
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class StandbyIntegrationTests {

	private static final Duration BACK = Duration.ofSeconds(30);

	private static PrivateServer primary;

	private static PrivateServer standby;

	private static TestDatabase database;

	private final Set<Object> handled = ConcurrentHashMap.newKeySet();

	@BeforeAll
	static void start() {
		primary = PrivateServer.start(Map.of("wal_keep_size", "64MB"));
		standby = primary.startStandby();
		database = primary.createDatabase();
		database.migrate();
	}

	@AfterAll
	static void stop() {
		standby.close();
		primary.close();
	}

	@Test
	@Order(1)
	void aSchemaIsNotMigratedOnAStandby() {
		Await.until("the standby has it",
				() -> standby.same(database)
					.jdbc()
					.sql("SELECT to_regnamespace('pgqueue') IS NOT NULL")
					.query(Boolean.class)
					.single());
		assertThatExceptionOfType(SchemaException.class).isThrownBy(() -> standby.same(database).migrate())
			.withMessageContaining("standby")
			.withMessageContaining("targetServerType=primary");
	}

	@Test
	@Order(2)
	void connectionsThatLeadToAStandbyAreNamedAndGivenUp() {
		DelegatingDataSource address = new DelegatingDataSource(database.directDataSource());
		try (HikariDataSource pool = database.pool((config) -> {
			config.setJdbcUrl(null);
			config.setUsername(null);
			config.setDataSource(address);
			config.setConnectionTimeout(1_000);
		});
				CapturedLog log = new CapturedLog();
				TestApplication sender = TestApplication.builder(database).notifications().build().start();
				TestApplication receiver = receiver(pool, address)) {
			String queue = listen(receiver);
			Await.until("notifications arrive", () -> receiver.notifications() == State.ARRIVING);
			address.setTargetDataSource(standby.same(database).directDataSource());
			database.jdbc()
				.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
						+ " WHERE datname = current_database() AND pid <> pg_backend_pid()")
				.query(Boolean.class)
				.list();
			Await.until("it is said where the connections lead",
					() -> log.lines(Level.WARN)
						.stream()
						.anyMatch((line) -> line.contains("standby") && line.contains("targetServerType=primary")));
			assertThat(receiver.notifications()).isEqualTo(State.LOST);
			assertThat(log.mostInASecond(Level.WARN)).isOne();
			Await.until("it can be sent", () -> sender.queues().send(queue, "meanwhile").created());
			address.setTargetDataSource(database.directDataSource());
			Await.until("what was sent meanwhile is handled", BACK, () -> this.handled.contains("meanwhile"));
			Await.until("notifications arrive again", BACK, () -> receiver.notifications() == State.ARRIVING);
			sender.queues().send(queue, "heard");
			Await.until("it is handled", () -> this.handled.contains("heard"));
			Await.until("the outcomes are written", () -> receiver.events().completed(queue) == 2);
			Await.until("no connection leads to the standby", () -> connections(standby) == 0);
		}
	}

	@Test
	@Order(3)
	void whenAStandbyTakesOverEverythingGoesOnAndNothingIsLost() throws InterruptedException {
		TestDatabase both = primary.onPrimary(database, standby);
		Set<String> sent = ConcurrentHashMap.newKeySet();
		try (HikariDataSource pool = both.pool((config) -> config.setConnectionTimeout(1_000));
				CapturedLog log = new CapturedLog();
				TestApplication sender = TestApplication.builder(both).pooled(pool).notifications().build().start();
				TestApplication receiver = receiver(pool, both.directDataSource())) {
			String queue = listen(receiver);
			Await.until("notifications arrive", () -> receiver.notifications() == State.ARRIVING);
			Thread sending = new Thread(() -> {
				for (int i = 0; !Thread.currentThread().isInterrupted(); i++) {
					send(sender, queue, "message " + i, sent);
				}
			}, "sending");
			sending.start();
			try {
				Await.until("some are handled", () -> this.handled.size() > 100);
				primary.killPostmaster();
				Await.until("the loss is noticed", () -> receiver.notifications() == State.LOST);
				standby.promote();
				int before = sent.size();
				Await.until("it can be sent", BACK, () -> sent.size() > before + 100);
				Await.until("notifications arrive again", BACK, () -> receiver.notifications() == State.ARRIVING);
			}
			finally {
				sending.interrupt();
				sending.join();
			}
			Await.until("all are handled", () -> this.handled.containsAll(sent));
			sender.queues().send(queue, "heard");
			Await.until("it is handled", () -> this.handled.contains("heard"));
			Await.until("it is said that it works again",
					() -> log.lines(Level.INFO).stream().anyMatch((line) -> line.contains("again, after")));
		}
	}

	private TestApplication receiver(DataSource pool, DataSource direct) {
		return TestApplication.builder(database)
			.pooled(pool)
			.direct(direct)
			.timeout(Duration.ofSeconds(5))
			.notifications()
			.build();
	}

	private String listen(TestApplication receiver) {
		String queue = receiver.declareQueue();
		receiver.handle(TestApplication.options(queue).build(), (message) -> this.handled.add(message.payload()))
			.start();
		return queue;
	}

	private static int connections(PrivateServer server) {
		return server.same(database)
			.jdbc()
			.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			.query(Integer.class)
			.single();
	}

	private static void send(TestApplication sender, String queue, String payload, Set<String> sent) {
		try {
			sender.queues().send(queue, payload);
			sent.add(payload);
		}
		catch (RuntimeException ex) {
			// Not sent as far as anybody knows.
		}
	}

}
