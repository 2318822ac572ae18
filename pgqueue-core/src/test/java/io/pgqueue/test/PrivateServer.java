package io.pgqueue.test;

import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
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
 * one in production: fsync and synchronous_commit are on. It may have a standby. Close it
 * at the end.
 */
public final class PrivateServer implements AutoCloseable {

	private static final Duration LIMIT = Duration.ofSeconds(30);

	private final Path directory;

	private final int port;

	private final PostgresServer access;

	private final Closeable running;

	private PrivateServer(Map<String, String> settings) throws IOException {
		Map<String, String> all = new LinkedHashMap<>(PostgresServer.SETTINGS);
		all.put("fsync", "on");
		all.put("synchronous_commit", "on");
		// No socket files, whose locks would name the process that was killed.
		all.put("unix_socket_directories", "");
		all.putAll(settings);
		this.directory = Files.createTempDirectory("pgqueue-server");
		EmbeddedPostgres.Builder builder = EmbeddedPostgres.builder()
			.setDataDirectory(data())
			.setCleanDataDirectory(false);
		all.forEach(builder::setServerConfig);
		EmbeddedPostgres started = builder.start();
		this.running = started;
		this.port = started.getPort();
		this.access = PostgresServer.at(PostgresServer.url(this.port));
	}

	/**
	 * Creates the access to a standby that does not run yet.
	 */
	private PrivateServer(Path directory) throws IOException {
		this.directory = directory;
		try (ServerSocket free = new ServerSocket(0)) {
			this.port = free.getLocalPort();
		}
		this.running = () -> control("-m", "immediate", "stop");
		this.access = PostgresServer.at(PostgresServer.url(this.port));
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
	 * Returns a database of this server's primary, or standby, as this server has it.
	 * @param database the database there
	 * @return the database here
	 */
	public TestDatabase same(TestDatabase database) {
		return new TestDatabase(this.access, database.name());
	}

	/**
	 * Returns a database as an application sees it that knows both addresses and wants
	 * the primary.
	 * @param database the database on this server
	 * @param standby the other server
	 * @return the same database, on whichever server is the primary
	 */
	public TestDatabase onPrimary(TestDatabase database, PrivateServer standby) {
		return new TestDatabase(PostgresServer.at(PostgresServer.url(this.port)
			.replace("localhost:" + this.port, "localhost:" + this.port + ",localhost:" + standby.port)
				+ "&targetServerType=primary"), database.name());
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
		launch(options());
		awaitReady();
	}

	/**
	 * Makes a standby, which every commit waits for from now on. For that, this server is
	 * killed and started again.
	 * @return the standby, to be closed before this server
	 */
	public PrivateServer startStandby() {
		killPostmaster();
		try {
			PrivateServer standby = new PrivateServer(Files.createTempDirectory("pgqueue-standby"));
			FileSystemUtils.copyRecursively(data(), standby.data());
			Files.setPosixFilePermissions(standby.data(), PosixFilePermissions.fromString("rwx------"));
			Files.createFile(standby.data().resolve("standby.signal"));
			Files.writeString(standby.data().resolve("postgresql.auto.conf"),
					"primary_conninfo = 'host=localhost port=" + this.port + " user=postgres'\n");
			restart();
			standby.launch(options().replace(data().toString(), standby.data().toString())
				.replace("\"" + this.port + "\"", "\"" + standby.port + "\""));
			this.access.admin().sql("ALTER SYSTEM SET synchronous_standby_names = '*'").update();
			this.access.admin().sql("SELECT pg_reload_conf()").query(Boolean.class).single();
			Await.until("commits wait for the standby", LIMIT,
					() -> this.access.admin()
						.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
						.query(Integer.class)
						.single() == 1);
			return standby;
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	/**
	 * Makes a standby a primary.
	 */
	public void promote() {
		this.access.admin().sql("SELECT pg_promote()").query(Boolean.class).single();
		awaitReady();
	}

	private void launch(String options) {
		try {
			// It names a process that has ended, but perhaps was not yet cleaned away.
			Files.deleteIfExists(data().resolve("postmaster.pid"));
			control("-o", options, "-w", "-l", this.directory.resolve("log").toString(), "start");
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	/**
	 * Returns the options that the server was started with, quoted for a shell.
	 */
	private String options() {
		return command()[1];
	}

	private String[] command() {
		try {
			return Files.readString(data().resolve("postmaster.opts")).strip().split("\\s+", 2);
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	private void control(String... arguments) throws IOException {
		List<String> command = new ArrayList<>();
		if (System.getProperty("user.name").equals("root")) {
			// PostgreSQL refuses to run as root; in a user namespace it sees somebody
			// else.
			command.addAll(List.of("unshare", "-U"));
		}
		command.addAll(List.of(Path.of(command()[0]).resolveSibling("pg_ctl").toString(), "-D", data().toString()));
		command.addAll(List.of(arguments));
		Path log = this.directory.resolve("pg_ctl.log");
		Process process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
		try {
			if (!process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS) || process.exitValue() != 0) {
				throw new IllegalStateException("pg_ctl failed: " + Files.readString(log));
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new IllegalStateException(ex);
		}
	}

	private Path data() {
		return this.directory.resolve("data");
	}

	@Override
	public void close() {
		if (!ProcessHandle.of(postmaster()).map(PrivateServer::lives).orElse(false)) {
			// What was killed cannot be stopped.
			restart();
		}
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
			return Long.parseLong(Files.readAllLines(data().resolve("postmaster.pid")).get(0).strip());
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
