package io.pgqueue.samples.quickstart;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

import io.pgqueue.test.Await;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * The quickstart in a process of its own, to be killed.
 */
final class QuickstartProcess implements AutoCloseable {

	private static final Duration START_LIMIT = Duration.ofSeconds(60);

	private final Path directory;

	private final Process process;

	private final OrderDesk desk;

	private QuickstartProcess(Path directory, Process process, OrderDesk desk) {
		this.directory = directory;
		this.process = process;
		this.desk = desk;
	}

	/**
	 * Starts it and waits until it is up.
	 */
	static QuickstartProcess start(Path directory, int port) throws IOException {
		Files.createDirectories(directory);
		File log = directory.resolve("quickstart.log").toFile();
		Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
				"-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
				QuickstartApplication.class.getName(), "--server.port=" + port, "--pgqueue.lease.timeout=3s",
				"--quickstart.postgres-directory=" + directory)
			.redirectErrorStream(true)
			.redirectOutput(Redirect.appendTo(log))
			.start();
		QuickstartProcess started = new QuickstartProcess(directory, process, new OrderDesk(port));
		Await.until("the quickstart is up, see " + log, START_LIMIT,
				() -> !process.isAlive() || started.desk.get("/actuator/health").statusCode() == 200);
		if (!process.isAlive()) {
			throw new IllegalStateException("The quickstart did not start, see " + log);
		}
		return started;
	}

	OrderDesk desk() {
		return this.desk;
	}

	/**
	 * Kills it with SIGKILL.
	 */
	void kill() throws InterruptedException {
		this.process.destroyForcibly().waitFor();
	}

	/**
	 * Kills its PostgreSQL with SIGKILL.
	 */
	void killPostgres() throws IOException {
		ProcessHandle postgres = ProcessHandle.of(postgresPid()).orElseThrow();
		List<ProcessHandle> backends = postgres.children().toList();
		postgres.destroyForcibly();
		Await.until("the backends have gone", () -> backends.stream().noneMatch(ProcessHandle::isAlive));
	}

	/**
	 * Sends SIGTERM and waits for the end.
	 * @return whether it came in time
	 */
	boolean terminate(long seconds) throws InterruptedException {
		this.process.destroy();
		return this.process.waitFor(seconds, TimeUnit.SECONDS);
	}

	int exitCode() {
		return this.process.exitValue();
	}

	long postgresPid() throws IOException {
		return Long.parseLong(postmaster().get(0).trim());
	}

	int postgresPort() throws IOException {
		return Integer.parseInt(postmaster().get(3).trim());
	}

	/**
	 * Tells whether any process works on the data directory.
	 */
	boolean isPostgresRunning() {
		String data = this.directory.resolve("data").toAbsolutePath().toString();
		return ProcessHandle.allProcesses()
			.anyMatch((one) -> one.info().commandLine().filter((line) -> line.contains(data)).isPresent());
	}

	/**
	 * Leads to the database past the quickstart, also when that is dead.
	 */
	JdbcClient jdbc() throws IOException {
		return JdbcClient.create(new DriverManagerDataSource(
				"jdbc:postgresql://localhost:" + postgresPort() + "/postgres", "postgres", ""));
	}

	private List<String> postmaster() throws IOException {
		return Files.readAllLines(this.directory.resolve("data/postmaster.pid"));
	}

	/**
	 * Leaves nothing behind when a test has failed.
	 */
	@Override
	public void close() throws Exception {
		if (this.process.isAlive() && !terminate(20)) {
			kill();
		}
		if (isPostgresRunning()) {
			killPostgres();
		}
	}

}
