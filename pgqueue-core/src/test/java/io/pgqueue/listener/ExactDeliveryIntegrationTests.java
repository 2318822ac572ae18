package io.pgqueue.listener;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Exactly what was committed is handled, by one of several consumers, once.
 */
@PgQueueDatabase
class ExactDeliveryIntegrationTests {

	private final TestDatabase database;

	ExactDeliveryIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeEach
	void prepare() {
		this.database.jdbc().sql("DROP TABLE IF EXISTS committed, handled").update();
		ExactDelivery.prepare(this.database);
	}

	@Test
	void twoApplicationsHandleEachCommittedMessageOnce() {
		twoApplications(5_000, Duration.ofSeconds(2));
	}

	@Test
	@Tag("long")
	void twoApplicationsHandleEachOfManyCommittedMessagesOnce() {
		twoApplications(200_000, Duration.ofSeconds(20));
	}

	@Test
	void twoProcessesHandleEachCommittedMessageOnce(@TempDir Path directory) throws IOException, InterruptedException {
		processes(2, 4_000, Duration.ofSeconds(1), directory);
	}

	@Test
	@Tag("long")
	void fourProcessesHandleEachCommittedMessageOnce(@TempDir Path directory) throws IOException, InterruptedException {
		processes(4, 20_000, Duration.ofSeconds(5), directory);
	}

	@Test
	@Tag("long")
	void twoProcessesHandleEachOfManyCommittedMessagesOnce(@TempDir Path directory)
			throws IOException, InterruptedException {
		processes(2, 200_000, Duration.ofSeconds(20), directory);
	}

	private void twoApplications(int messages, Duration open) {
		HikariDataSource own = this.database.pool((config) -> {
		});
		HikariDataSource withoutAutocommit = this.database.pool((config) -> config.setAutoCommit(false));
		try (TestApplication first = TestApplication.on(this.database);
				TestApplication second = TestApplication.builder(this.database).pooled(own).build();
				TestApplication sender = TestApplication.builder(this.database).pooled(withoutAutocommit).build()) {
			ExactDelivery.handle(first, "first");
			ExactDelivery.handle(second, "second");
			ExactDelivery.send(withoutAutocommit, sender.queues(), messages, open);
			ExactDelivery.verify(this.database, messages, "first", "second");
		}
	}

	/**
	 * Each process sends its part and handles what comes; this one is the first.
	 */
	private void processes(int count, int messages, Duration open, Path directory)
			throws IOException, InterruptedException {
		int part = messages / count;
		List<Process> others = new ArrayList<>();
		try (TestApplication here = TestApplication.on(this.database)) {
			ExactDelivery.handle(here, "process-0");
			for (int i = 1; i < count; i++) {
				others.add(start("process-" + i, part, open, directory));
			}
			awaitOutput(others, directory, "ready");
			ExactDelivery.send(here.pooled(), here.queues(), part, open);
			awaitOutput(others, directory, "sent");
			ExactDelivery.verify(this.database, messages,
					IntStream.range(0, count).mapToObj((number) -> "process-" + number).toArray(String[]::new));
			for (Process other : others) {
				try (OutputStream input = other.getOutputStream()) {
					input.write("stop\n".getBytes(StandardCharsets.UTF_8));
				}
				assertThat(other.waitFor(30, TimeUnit.SECONDS)).as(output(others, other, directory)).isTrue();
				assertThat(other.exitValue()).as(output(others, other, directory)).isZero();
			}
		}
		finally {
			others.forEach(Process::destroyForcibly);
		}
	}

	private static void awaitOutput(List<Process> processes, Path directory, String line) {
		for (Process process : processes) {
			Await.until("a process says " + line, Duration.ofMinutes(10),
					() -> output(processes, process, directory).contains(line) || !process.isAlive());
		}
	}

	private static String output(List<Process> processes, Process process, Path directory) throws IOException {
		return Files.readString(directory.resolve("process-" + (processes.indexOf(process) + 1)));
	}

	private Process start(String name, int messages, Duration open, Path directory) throws IOException {
		String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
		List<String> command = List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx256m",
				"-XX:TieredStopAtLevel=1", "-cp", classPath, OtherProcess.class.getName(), this.database.jdbcUrl(),
				this.database.username(), this.database.password(), name, String.valueOf(messages), open.toString());
		return new ProcessBuilder(command).redirectErrorStream(true)
			.redirectOutput(new File(directory.resolve(name).toString()))
			.start();
	}

}
