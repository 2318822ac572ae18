package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.LeaseLostException;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Whatever several receivers do at once, and whichever connection breaks in between,
 * every message takes effect exactly once.
 */
@PgQueueDatabase
class ConcurrentReceiversIntegrationTests {

	private static final int THREADS = 6;

	private final TestDatabase database;

	private final String queue;

	private final TestApplication application;

	private final ExecutorService threads = Executors.newFixedThreadPool(THREADS + 1);

	ConcurrentReceiversIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE effect (message integer PRIMARY KEY)").update();
	}

	@AfterEach
	void close() {
		this.threads.shutdownNow();
	}

	@Test
	void noTwoReceiversGetTheSameMessage() throws Exception {
		send(3_000);
		Set<Integer> received = ConcurrentHashMap.newKeySet();
		run(() -> {
			QueueReceiver receiver = QueueReceiver.builder(this.database.dataSource()).build();
			List<ReceivedMessage<Integer>> some = receive(receiver, 7, Duration.ofMinutes(5));
			while (!some.isEmpty()) {
				some.forEach((one) -> assertThat(received.add(one.message().payload())).as("received once").isTrue());
				some = receive(receiver, 7, Duration.ofMinutes(5));
			}
			return null;
		});
		assertThat(received).as("an empty list means that there is nothing, not that others are receiving")
			.hasSize(3_000);
	}

	@Test
	void everyMessageTakesEffectExactlyOnceAlthoughConnectionsBreakAndTimesRunOut() throws Exception {
		send(400);
		HikariDataSource pool = this.database.pool((config) -> {
			config.setMaximumPoolSize(2 * THREADS);
			config.addDataSourceProperty("ApplicationName", "receivers");
		});
		QueueReceiver receiver = QueueReceiver.builder(pool).maxAttempts(1_000).build();
		AtomicInteger kills = new AtomicInteger();
		Future<?> killer = this.threads.submit(() -> {
			while (!Thread.currentThread().isInterrupted() && kills.get() < 40) {
				kills.addAndGet(killOne());
				TimeUnit.MILLISECONDS.sleep(40);
			}
			return null;
		});
		List<Throwable> wrong = new ArrayList<>();
		run(() -> {
			while (effects() < 400) {
				try {
					for (ReceivedMessage<Integer> one : receive(receiver, 5, Duration.ofSeconds(1))) {
						handle(receiver, pool, one);
					}
				}
				catch (DataIntegrityViolationException ex) {
					synchronized (wrong) {
						wrong.add(ex);
					}
				}
				catch (RuntimeException ex) {
					// The connection broke, or somebody else has the message now.
				}
			}
			return null;
		});
		killer.cancel(true);
		assertThat(wrong).as("effects that would have happened twice").isEmpty();
		assertThat(kills.get()).isPositive();
		QueueReceiver last = QueueReceiver.builder(this.database.dataSource()).maxAttempts(1_000).build();
		Await.until("nothing is held any more", () -> {
			receive(last, 100, Duration.ofSeconds(1)).forEach((one) -> last.acknowledge(one.receipt()));
			return rows("lease") + rows("retry") + rows("pulled") == 0;
		});
		assertThat(effects()).isEqualTo(400);
		assertThat(rows("dead_letter")).isZero();
	}

	private void handle(QueueReceiver receiver, HikariDataSource pool, ReceivedMessage<Integer> one) {
		int chance = ThreadLocalRandom.current().nextInt(10);
		if (chance == 0) {
			receiver.release(one.receipt(), Duration.ofMillis(10));
			return;
		}
		if (chance == 1) {
			// Left to its visibility timeout.
			return;
		}
		if (chance == 2) {
			receiver.extend(one.receipt(), Duration.ofSeconds(2));
		}
		new TransactionTemplate(new JdbcTransactionManager(pool)).executeWithoutResult((status) -> {
			receiver.acknowledge(one.receipt());
			JdbcClient.create(pool).sql("INSERT INTO effect VALUES (?)").param(one.message().payload()).update();
		});
		if (chance == 3) {
			assertThatIsLost(() -> receiver.release(one.receipt(), Duration.ZERO));
		}
	}

	private static void assertThatIsLost(Runnable settle) {
		try {
			settle.run();
		}
		catch (LeaseLostException ex) {
			return;
		}
		throw new DataIntegrityViolationException("A message was settled twice");
	}

	private void run(Callable<Void> task) throws Exception {
		List<Future<Void>> running = IntStream.range(0, THREADS).mapToObj((i) -> this.threads.submit(task)).toList();
		for (Future<Void> one : running) {
			one.get(60, TimeUnit.SECONDS);
		}
	}

	private List<ReceivedMessage<Integer>> receive(QueueReceiver receiver, int max, Duration timeout) {
		return receiver.receive(this.queue, Integer.class, max, timeout);
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).boxed().toList());
	}

	private int killOne() {
		return this.database.jdbc()
			.sql("SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity "
					+ "WHERE datname = current_database() AND application_name = 'receivers' "
					+ "ORDER BY random() LIMIT 1) victim")
			.query(Integer.class)
			.single();
	}

	private int effects() {
		return this.database.jdbc().sql("SELECT count(*) FROM effect").query(Integer.class).single();
	}

	private int rows(String table) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table + " WHERE subscription_id = (SELECT s.id FROM "
					+ "pgqueue.subscription s JOIN pgqueue.queue q ON q.id = s.queue_id WHERE q.name = ?)")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

}
