package io.pgqueue.listener;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

import io.pgqueue.AckMode;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Handlers that take their process with them, and processes that are replaced while they
 * handle.
 */
@PgQueueDatabase
class CrashingHandlersIntegrationTests {

	/**
	 * More deliveries than the test has crashes.
	 */
	private static final int MANY = 30;

	private final TestDatabase database;

	private final TestApplication sender;

	private final List<ConsumerProcess> consumers = new ArrayList<>();

	@TempDir
	private Path directory;

	CrashingHandlersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.sender = TestApplication.on(database);
	}

	@BeforeEach
	void prepare() {
		this.database.migrate();
		this.database.jdbc().sql("DROP TABLE IF EXISTS effect").update();
		this.database.jdbc().sql("CREATE TABLE effect (message bigint, attempt integer, process text)").update();
		this.sender.registry().declare(EffectsProcess.QUEUE);
	}

	@AfterEach
	void close() {
		this.consumers.forEach(ConsumerProcess::kill);
		this.sender.close();
	}

	@Test
	@Tag("long")
	void onlyTheMessageThatEndsItsProcessIsADeadLetter() throws IOException {
		List<String> payloads = new ArrayList<>(IntStream.range(0, 1_000).mapToObj(String::valueOf).toList());
		payloads.set(500, EffectsProcess.HALT);
		this.sender.queues().sendAll(EffectsProcess.QUEUE, payloads);
		ConsumerProcess consumer = start("consumer", 5);
		Await.until("all are settled", Duration.ofMinutes(5), () -> {
			if (!consumer.isAlive()) {
				consumer.start();
			}
			return handled() == 999 && deadLetters() == 1;
		});
		assertThat(this.database.jdbc()
			.sql("SELECT attempts FROM pgqueue.dead_letter WHERE payload::text = '\"halt\"'")
			.query(Integer.class)
			.list()).containsExactly(5);
	}

	@Test
	void aRollingRestartCostsNothing() throws IOException, InterruptedException {
		rollingRestart(3, Duration.ofSeconds(1));
	}

	@Test
	@Tag("long")
	void aRollingRestartForMinutesCostsNothing() throws IOException, InterruptedException {
		rollingRestart(24, Duration.ofSeconds(5));
	}

	private void rollingRestart(int restarts, Duration pause) throws IOException, InterruptedException {
		for (int i = 0; i < 3; i++) {
			start("node-" + i, MANY);
		}
		Thread sending = new Thread(this::sendUntilInterrupted, "sender");
		sending.start();
		for (int i = 0; i < restarts; i++) {
			TimeUnit.NANOSECONDS.sleep(pause.toNanos());
			ConsumerProcess leaving = this.consumers.get(i % 3);
			leaving.terminate();
			assertThat(number("SELECT count(*) FROM pgqueue.lease l JOIN pgqueue.worker w ON w.id = l.worker_id"
					+ " WHERE w.dead_at IS NOT NULL"))
				.as("leases of processes that have ended")
				.isZero();
			leaving.start();
		}
		sending.interrupt();
		sending.join();
		Await.until("all were handled", Duration.ofMinutes(1),
				() -> handled() == this.sender.events().sent(EffectsProcess.QUEUE));
		assertThat(deadLetters()).isZero();
		assertThat(number("SELECT count(*) FROM effect WHERE attempt > 1")).as("attempts spent").isZero();
	}

	// About 300 a second.
	private void sendUntilInterrupted() {
		List<String> payloads = List.of("1", "2", "3");
		while (!Thread.interrupted()) {
			this.sender.queues().sendAll(EffectsProcess.QUEUE, payloads);
			try {
				TimeUnit.MILLISECONDS.sleep(10);
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
		}
	}

	private ConsumerProcess start(String name, int attempts) throws IOException {
		ConsumerProcess consumer = new ConsumerProcess(this.database, name, AckMode.AUTO, attempts, this.directory);
		this.consumers.add(consumer);
		Await.until("the consumer listens", Duration.ofSeconds(60), () -> consumer.output().contains("ready"));
		return consumer;
	}

	private long handled() {
		return number("SELECT count(DISTINCT message) FROM effect");
	}

	private long deadLetters() {
		return number("SELECT count(*) FROM pgqueue.dead_letter");
	}

	private long number(String sql) {
		return this.database.jdbc().sql(sql).query(Long.class).single();
	}

}
