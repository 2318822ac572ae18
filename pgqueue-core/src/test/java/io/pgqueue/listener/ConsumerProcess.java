package io.pgqueue.listener;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

import io.pgqueue.AckMode;
import io.pgqueue.test.Await;
import io.pgqueue.test.TestDatabase;

/**
 * An {@link EffectsProcess}, as the test that starts and kills it sees it.
 */
final class ConsumerProcess {

	private final List<String> command;

	private final Path output;

	private Process process;

	ConsumerProcess(TestDatabase database, String name, AckMode mode, int attempts, Path directory) throws IOException {
		String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
		this.command = List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx256m",
				"-XX:TieredStopAtLevel=1", "-cp", classPath, EffectsProcess.class.getName(), database.jdbcUrl(),
				database.username(), database.password(), name, mode.name(), String.valueOf(attempts));
		this.output = directory.resolve(name);
		this.process = launch();
	}

	private Process launch() throws IOException {
		return new ProcessBuilder(this.command).redirectErrorStream(true)
			.redirectOutput(ProcessBuilder.Redirect.appendTo(new File(this.output.toString())))
			.start();
	}

	boolean isAlive() {
		return this.process.isAlive();
	}

	/**
	 * Returns what the process has written.
	 */
	String output() throws IOException {
		return Files.readString(this.output);
	}

	/**
	 * Starts another process of the same name and waits until it listens.
	 */
	void start() throws IOException {
		long before = starts();
		this.process = launch();
		Await.until("the consumer listens", Duration.ofSeconds(60), () -> starts() > before || !isAlive());
	}

	private long starts() throws IOException {
		return output().lines().filter("ready"::equals).count();
	}

	/**
	 * Kills the process and starts it again.
	 */
	void restart() throws IOException {
		kill();
		start();
	}

	/**
	 * Has the process stop by itself, as an orchestrator does.
	 */
	void terminate() {
		this.process.destroy();
		this.process.onExit().orTimeout(60, TimeUnit.SECONDS).join();
	}

	void kill() {
		this.process.destroyForcibly();
		this.process.onExit().join();
	}

	/**
	 * Stops the process for longer than the lease timeout.
	 */
	void pause() throws IOException, InterruptedException {
		signal("STOP");
		TimeUnit.NANOSECONDS.sleep(EffectsProcess.LEASE_TIMEOUT.multipliedBy(3).toNanos() / 2);
		signal("CONT");
	}

	private void signal(String name) throws IOException, InterruptedException {
		new ProcessBuilder("kill", "-" + name, String.valueOf(this.process.pid())).start().waitFor();
	}

}
