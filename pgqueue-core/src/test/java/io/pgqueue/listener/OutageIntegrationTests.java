package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

import javax.sql.DataSource;

import ch.qos.logback.classic.Level;
import io.pgqueue.AckMode;
import io.pgqueue.test.Await;
import io.pgqueue.test.PrivateServer;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A database that is away for long.
 */
@Tag("postgres")
class OutageIntegrationTests {

	private static final int TRANSACTIONS = 10;

	private final Set<Long> handled = ConcurrentHashMap.newKeySet();

	private final AtomicInteger inTransaction = new AtomicInteger();

	private final CountDownLatch gate = new CountDownLatch(1);

	@ParameterizedTest
	@ValueSource(ints = 6)
	void theLogHasAtMostALineASecondAndEverythingGoesOnByItself(int seconds) {
		outage(Duration.ofSeconds(seconds));
	}

	@Tag("long")
	@ParameterizedTest
	@ValueSource(ints = 600)
	void theSameWhenItTakesTenMinutes(int seconds) {
		outage(Duration.ofSeconds(seconds));
	}

	private void outage(Duration length) {
		try (PrivateServer server = PrivateServer.start(Map.of())) {
			TestDatabase database = server.createDatabase();
			database.migrate();
			database.jdbc().sql("CREATE TABLE effect (message bigint)").update();
			DataSource pool = database.pool((config) -> {
				config.setConnectionTimeout(1_000);
				config.setMaximumPoolSize(TRANSACTIONS + 5);
			});
			try (TestApplication application = TestApplication.builder(database)
				.pooled(pool)
				.timeout(Duration.ofSeconds(3))
				.notifications()
				.build()) {
				List<String> queues = listen(application, pool);
				application.start();
				queues.forEach((queue) -> application.queues().send(queue, "before"));
				for (int i = 0; i < 2 * TRANSACTIONS; i++) {
					application.queues().send(queues.get(0), "in a transaction");
				}
				Await.until("transactions are open", () -> this.inTransaction.get() == TRANSACTIONS);
				Await.until("the others were handled", () -> this.handled.size() == queues.size() - 1);
				try (CapturedLog log = new CapturedLog()) {
					server.killPostmaster();
					this.gate.countDown();
					long until = System.nanoTime() + length.toNanos();
					Await.until("the outage has taken its time", length.plusSeconds(10),
							() -> System.nanoTime() - until > 0);
					assertThat(log.mostInASecond(Level.INFO)).as("lines in a second: %s", log.lines(Level.INFO))
						.isOne();
					assertThat(log.lines(Level.INFO)).hasSizeBetween(2, 10 + (int) length.toMinutes());
					assertThat(log.lines(Level.WARN)).anyMatch((line) -> line.contains(" more (for "));
					server.restart();
					queues.forEach((queue) -> Await.until("messages can be sent",
							() -> application.queues().send(queue, "after").created()));
					Await.until("everything was handled",
							() -> this.handled.size() >= 2 * queues.size() + 2 * TRANSACTIONS);
					Await.until("notifications arrive again", Duration.ofSeconds(30),
							() -> application.notifications() == State.ARRIVING);
					Await.until("it is said that it works again",
							() -> log.lines(Level.INFO).stream().anyMatch((line) -> line.contains("again, after")));
				}
			}
			assertThat(database.jdbc()
				.sql("SELECT count(*) = count(DISTINCT message) FROM effect")
				.query(Boolean.class)
				.single()).as("effects in transactions happened once").isTrue();
		}
	}

	private List<String> listen(TestApplication application, DataSource pool) {
		List<String> queues = new ArrayList<>();
		for (int i = 0; i < 5; i++) {
			String queue = application.declareQueue();
			queues.add(queue);
			if (i == 0) {
				ContainerOptions.Builder options = TestApplication.options(queue)
					.concurrency(TRANSACTIONS)
					.ackMode(AckMode.TRANSACTIONAL)
					.transactionManager(new JdbcTransactionManager(pool));
				application.handle(options.build(), (message) -> {
					JdbcClient.create(pool).sql("INSERT INTO effect VALUES (?)").param(message.id()).update();
					this.inTransaction.incrementAndGet();
					this.gate.await();
					this.handled.add(message.id());
				});
			}
			else {
				AckMode mode = (i == 1) ? AckMode.ON_RECEIVE : AckMode.AUTO;
				application.handle(TestApplication.options(queue).ackMode(mode).build(),
						(message) -> this.handled.add(message.id()));
			}
		}
		return queues;
	}

}
