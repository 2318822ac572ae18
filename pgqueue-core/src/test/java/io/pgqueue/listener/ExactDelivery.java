package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import javax.sql.DataSource;

import io.pgqueue.QueueMessage;
import io.pgqueue.SendResult;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.test.Await;
import io.pgqueue.test.TestDatabase;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Senders that roll back at random and keep some transactions open for seconds, handlers
 * that note what they handled, and the comparison of both in the database. Each part may
 * be in another process.
 */
final class ExactDelivery {

	static final String QUEUE = "exact";

	private static final int MOST_PER_TRANSACTION = 5;

	private ExactDelivery() {
	}

	static void prepare(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE committed (id bigint)").update();
		database.jdbc().sql("CREATE TABLE handled (id bigint, process text, attempt integer)").update();
	}

	/**
	 * Sends at least so many messages, each with a row in the same transaction, on
	 * several threads; 5 % of the transactions are rolled back, and one per thread stays
	 * open for a while.
	 */
	static void send(DataSource pool, QueueTemplate queues, int count, Duration open) {
		List<Thread> threads = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			Sender sender = new Sender(new Random(i), pool, queues, count / 4, open);
			threads.add(new Thread(sender, "sender"));
		}
		threads.forEach(Thread::start);
		for (Thread thread : threads) {
			try {
				thread.join();
			}
			catch (InterruptedException ex) {
				throw new IllegalStateException(ex);
			}
		}
	}

	/**
	 * Starts a container that notes what it handles.
	 */
	static TestApplication handle(TestApplication application, String process) {
		JdbcClient jdbc = JdbcClient.create(application.pooled());
		return application
			.handle(TestApplication.options(QUEUE).concurrency(3).build(), (message) -> note(jdbc, process, message))
			.start();
	}

	private static void note(JdbcClient jdbc, String process, QueueMessage<String> message) {
		jdbc.sql("INSERT INTO handled VALUES (?, ?, ?)").params(message.id(), process, message.attempt()).update();
	}

	/**
	 * Waits until as many were handled as were committed, and compares.
	 */
	static void verify(TestDatabase database, int atLeast, String... processes) {
		Await.until("all were handled", Duration.ofMinutes(1), () -> number(database,
				"SELECT count(*) FROM handled") >= number(database, "SELECT count(*) FROM committed"));
		assertThat(number(database, "SELECT count(*) FROM committed")).isGreaterThanOrEqualTo(atLeast * 9L / 10);
		assertThat(number(database, "SELECT count(*) FROM (SELECT id FROM committed EXCEPT SELECT id FROM handled) x"))
			.as("committed but not handled")
			.isZero();
		assertThat(number(database, "SELECT count(*) FROM (SELECT id FROM handled EXCEPT SELECT id FROM committed) x"))
			.as("handled but not committed")
			.isZero();
		assertThat(number(database, "SELECT count(*) - count(DISTINCT id) FROM handled")).as("handled twice").isZero();
		assertThat(number(database, "SELECT count(*) FROM handled WHERE attempt <> 1")).as("attempts").isZero();
		for (String process : processes) {
			assertThat(number(database, "SELECT count(*) FROM handled WHERE process = '" + process + "'"))
				.as("handled by %s", process)
				.isPositive();
		}
	}

	static long number(TestDatabase database, String sql) {
		return database.jdbc().sql(sql).query(Long.class).single();
	}

	private record Sender(Random random, DataSource pool, QueueTemplate queues, int count,
			Duration open) implements Runnable {

		@Override
		public void run() {
			TransactionTemplate transactions = new TransactionTemplate(new JdbcTransactionManager(this.pool));
			JdbcClient jdbc = JdbcClient.create(this.pool);
			int sent = 0;
			boolean pause = true;
			while (sent < this.count) {
				boolean pausing = pause && sent > this.count / 10;
				pause = pause && !pausing;
				sent += transactions.execute((status) -> {
					int size = 1 + this.random.nextInt(MOST_PER_TRANSACTION);
					List<String> payloads = IntStream.range(0, size).mapToObj(String::valueOf).toList();
					for (SendResult result : this.queues.sendAll(QUEUE, payloads)) {
						jdbc.sql("INSERT INTO committed VALUES (?)").param(result.id()).update();
					}
					if (pausing) {
						LockSupport.parkNanos(this.open.toNanos());
					}
					if (this.random.nextInt(20) == 0) {
						status.setRollbackOnly();
					}
					return size;
				});
			}
		}

	}

}
