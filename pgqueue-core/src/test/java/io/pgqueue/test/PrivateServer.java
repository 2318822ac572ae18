package io.pgqueue.test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;

import org.springframework.util.FileSystemUtils;

/**
 * A server of its own for a test that kills it, from the embedded binaries, durable like
 * one in production: fsync and synchronous_commit are on. Close it at the end.
 */
public final class PrivateServer implements AutoCloseable {

	private static final Duration LIMIT = Duration.ofSeconds(30);

	private final Path directory;

	private final PostgresServer access;

	private final EmbeddedPostgres running;

	private PrivateServer(Map<String, String> settings) throws IOException {
		Map<String, String> all = new LinkedHashMap<>(PostgresServer.SETTINGS);
		all.put("fsync", "on");
		all.put("synchronous_commit", "on");
		// No socket files, whose locks would name the process that was killed.
		all.put("unix_socket_directories", "");
		all.putAll(settings);
		this.directory = Files.createTempDirectory("pgqueue-server");
		EmbeddedPostgres.Builder builder = EmbeddedPostgres.builder()
			.setDataDirectory(this.directory.resolve("data"))
			.setCleanDataDirectory(false);
		all.forEach(builder::setServerConfig);
		this.running = builder.start();
		this.access = PostgresServer.at(PostgresServer.url(this.running.getPort()));
	}

	/**
	 * Starts a server.
	 * @param settings further settings of the server
	 * @return the server
	 */
	public static PrivateServer start(Map<String, String> settings) {
		try {
			return new PrivateServer(settings);
		}
		catch (IOException ex) {
			throw new UncheckedIOException("Cannot start the embedded PostgreSQL", ex);
		}
	}

	/**
	 * Creates a database. It need not be closed.
	 * @return the database
	 */
	public TestDatabase createDatabase() {
		return this.access.createDatabase();
	}

	/**
	 * Kills some backend with SIGKILL. See {@link #killBackend(long)}.
	 */
	public void crash() {
		try (Session victim = new Session(this.access.connect("postgres", this.access.superuser()))) {
			killBackend(victim.pid());
		}
	}

	/**
	 * Kills one backend with SIGKILL, upon which the server ends all others and recovers
	 * from its log by itself. Returns when it accepts connections again.
	 * @param pid process id of the backend, as {@code pg_backend_pid()} tells
	 */
	public void killBackend(long pid) {
		kill(pid);
		awaitReady();
	}

	/**
	 * Kills the server's first process with SIGKILL, as a machine does that loses power,
	 * except that what was written to the system's cache is not lost. Returns when all
	 * its processes have ended.
	 */
	public void killPostmaster() {
		long pid = postmaster();
		List<ProcessHandle> children = ProcessHandle.of(pid).map(ProcessHandle::descendants).orElseThrow().toList();
		kill(pid);
		Await.until("the backends have gone", LIMIT, () -> children.stream().noneMatch(PrivateServer::lives));
	}

	/**
	 * Starts the server again after {@link #killPostmaster()}, on the same port and with
	 * the same settings.
	 */
	public void restart() {
		Path data = this.directory.resolve("data");
		try {
			// The server's program and the options it ran with, quoted for a shell.
			String[] words = Files.readString(data.resolve("postmaster.opts")).strip().split("\\s+", 2);
			// It names a process that has ended, but perhaps was not yet cleaned away.
			Files.deleteIfExists(data.resolve("postmaster.pid"));
			List<String> command = new ArrayList<>();
			if (System.getProperty("user.name").equals("root")) {
				// PostgreSQL refuses to run as root; in a user namespace it sees somebody
				// else.
				command.addAll(List.of("unshare", "-U"));
			}
			command.addAll(List.of(Path.of(words[0]).resolveSibling("pg_ctl").toString(), "-D", data.toString(), "-o",
					words[1], "-w", "-l", this.directory.resolve("log").toString(), "start"));
			Process process = new ProcessBuilder(command).redirectErrorStream(true)
				.redirectOutput(this.directory.resolve("pg_ctl.log").toFile())
				.start();
			if (!process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS) || process.exitValue() != 0) {
				throw new IllegalStateException(
						"The server did not start again: " + Files.readString(this.directory.resolve("pg_ctl.log")));
			}
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new IllegalStateException(ex);
		}
		awaitReady();
	}

	@Override
	public void close() {
		try {
			this.running.close();
			FileSystemUtils.deleteRecursively(this.directory);
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	private long postmaster() {
		try {
			return Long.parseLong(Files.readAllLines(this.directory.resolve("data/postmaster.pid")).get(0).strip());
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	private void awaitReady() {
		Await.until("the server accepts connections", LIMIT,
				() -> this.access.admin().sql("SELECT NOT pg_is_in_recovery()").query(Boolean.class).single());
	}

	private static void kill(long pid) {
		ProcessHandle process = ProcessHandle.of(pid).orElseThrow(() -> new IllegalStateException("No process " + pid));
		process.destroyForcibly();
		Await.until("process " + pid + " has ended", LIMIT, () -> !lives(process));
	}

	/**
	 * Tells whether a process lives; one that nobody has asked for its exit code does
	 * not, which in a container without an init process may last for ever.
	 */
	private static boolean lives(ProcessHandle process) {
		if (!process.isAlive()) {
			return false;
		}
		Path stat = Path.of("/proc", String.valueOf(process.pid()), "stat");
		try {
			String line = Files.readString(stat);
			return line.charAt(line.lastIndexOf(')') + 2) != 'Z';
		}
		catch (IOException ex) {
			return process.isAlive();
		}
	}

}
