package io.pgqueue.samples.quickstart.postgres;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.boot.jdbc.autoconfigure.JdbcConnectionDetails;

/**
 * A PostgreSQL whose data outlives the application, and which itself outlives an
 * application that is killed: the next start finds it and uses it.
 */
final class LocalPostgres implements JdbcConnectionDetails, AutoCloseable {

	private static final Logger logger = LoggerFactory.getLogger(LocalPostgres.class);

	private static final Duration START_LIMIT = Duration.ofSeconds(30);

	/**
	 * Locked for as long as it is open, by the operating system: a killed process leaves
	 * no lock behind.
	 */
	private final FileChannel lock;

	private final Postmaster postmaster;

	/**
	 * What has started the server, null if it was found running.
	 */
	private final @Nullable EmbeddedPostgres started;

	private LocalPostgres(FileChannel lock, Postmaster postmaster, @Nullable EmbeddedPostgres started) {
		this.lock = lock;
		this.postmaster = postmaster;
		this.started = started;
	}

	/**
	 * Starts a server, or finds one that a killed process has left behind.
	 * @param directory where data, log and lock go
	 * @return the server, which accepts connections
	 * @throws LocalPostgresException if there is none to be had
	 */
	static LocalPostgres start(Path directory) {
		Path home = directory.toAbsolutePath().normalize();
		try {
			Files.createDirectories(home);
			FileChannel lock = lock(home.resolve("lock"));
			try {
				return findOrLaunch(home, lock);
			}
			catch (IOException | RuntimeException ex) {
				lock.close();
				throw ex;
			}
		}
		catch (IOException | IllegalStateException ex) {
			throw new LocalPostgresException("PostgreSQL could not be started in " + home + ": " + ex.getMessage(),
					"Read " + home.resolve("postgres.log")
							+ ". If it does not help, delete the directory with all data.",
					ex);
		}
	}

	private static LocalPostgres findOrLaunch(Path home, FileChannel lock) throws IOException {
		Path data = home.resolve("data");
		Postmaster found = Postmaster.find(data, START_LIMIT);
		if (found != null) {
			logger.info("Using the PostgreSQL that a killed process has left behind: {}", found.url());
			return new LocalPostgres(lock, found, null);
		}
		EmbeddedPostgres started = launch(home, data);
		Postmaster postmaster = Postmaster.read(data);
		if (postmaster == null) {
			started.close();
			throw new IllegalStateException("it ended at once");
		}
		logger.info("Started a PostgreSQL with its data in {}: {}", data, postmaster.url());
		return new LocalPostgres(lock, postmaster, started);
	}

	private static EmbeddedPostgres launch(Path home, Path data) throws IOException {
		return EmbeddedPostgres.builder()
			.setDataDirectory(data)
			.setCleanDataDirectory(false)
			// The context closes it, after the pool
			.setRegisterShutdownHook(false)
			// Not durable by default, as it is made for tests
			.setServerConfig("fsync", "on")
			.setServerConfig("synchronous_commit", "on")
			// Whatever locales this machine has
			.setLocaleConfig("locale", "C")
			// Our own output would break when this process ends before the server
			.setOutputRedirector(Redirect.appendTo(home.resolve("postgres.log").toFile()))
			.setPGStartupWait(START_LIMIT)
			.start();
	}

	/**
	 * Keeps a second process off the server, which the first one stops at its end.
	 */
	private static FileChannel lock(Path file) throws IOException {
		FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
		try {
			if (channel.tryLock() != null) {
				return channel;
			}
		}
		catch (OverlappingFileLockException ex) {
			// Locked by this process, which is refused like any other
		}
		channel.close();
		throw new LocalPostgresException("Another quickstart is running with its data in " + file.getParent() + ".",
				"Stop it first, or give this one another port and directory: "
						+ "--server.port=8081 --quickstart.postgres-directory=target/another",
				null);
	}

	@Override
	public String getJdbcUrl() {
		return this.postmaster.url();
	}

	@Override
	public String getUsername() {
		return Postmaster.USER;
	}

	@Override
	public @Nullable String getPassword() {
		return null;
	}

	/**
	 * Stops the server. Called by Spring.
	 */
	@Override
	public void close() throws IOException {
		try (this.lock) {
			if (this.started != null) {
				this.started.close();
			}
			else {
				this.postmaster.stop();
			}
		}
	}

}
