package io.pgqueue.listener;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

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
		twoProcesses(4_000, Duration.ofSeconds(1), directory);
	}

	@Test
	@Tag("long")
	void twoProcessesHandleEachOfManyCommittedMessagesOnce(@TempDir Path directory)
			throws IOException, InterruptedException {
		twoProcesses(200_000, Duration.ofSeconds(20), directory);
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

	private void twoProcesses(int messages, Duration open, Path directory) throws IOException, InterruptedException {
		try (TestApplication here = TestApplication.on(this.database)) {
			ExactDelivery.handle(here, "here");
			Path output = directory.resolve("output.txt");
			Process there = start(messages / 2, open, output);
			try {
				Await.until("the other process is ready", Duration.ofSeconds(60),
						() -> Files.readString(output).contains("ready"));
				ExactDelivery.send(here.pooled(), here.queues(), messages / 2, open);
				Await.until("the other process has sent", Duration.ofMinutes(10),
						() -> Files.readString(output).contains("sent") || !there.isAlive());
				ExactDelivery.verify(this.database, messages, "here", "there");
				try (OutputStream input = there.getOutputStream()) {
					input.write("stop\n".getBytes(StandardCharsets.UTF_8));
				}
				assertThat(there.waitFor(30, TimeUnit.SECONDS)).as(Files.readString(output)).isTrue();
				assertThat(there.exitValue()).as(Files.readString(output)).isZero();
			}
			finally {
				there.destroyForcibly();
			}
		}
	}

	private Process start(int messages, Duration open, Path output) throws IOException {
		String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
		List<String> command = List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx256m",
				"-XX:TieredStopAtLevel=1", "-cp", classPath, OtherProcess.class.getName(), this.database.jdbcUrl(),
				this.database.username(), this.database.password(), String.valueOf(messages), open.toString());
		return new ProcessBuilder(command).redirectErrorStream(true)
			.redirectOutput(new File(output.toString()))
			.start();
	}

}
