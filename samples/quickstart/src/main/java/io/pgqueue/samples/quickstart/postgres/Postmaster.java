package io.pgqueue.samples.quickstart.postgres;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The first process of a PostgreSQL server, as its file {@code postmaster.pid} describes
 * it. The file may be left over from a machine that lost power.
 *
 * @param data the data directory
 * @param pid the process
 * @param port where it accepts connections
 */
record Postmaster(Path data, long pid, int port) {

	/**
	 * Name of the superuser, who needs no password on this machine.
	 */
	static final String USER = "postgres";

	private static final Logger logger = LoggerFactory.getLogger(Postmaster.class);

	private static final Duration STOP_LIMIT = Duration.ofSeconds(10);

	private static final int PID_LINE = 0;

	private static final int PORT_LINE = 3;

	/**
	 * Reads the file.
	 * @param data the data directory
	 * @return what it says, null if there is none or it says nothing
	 */
	static @Nullable Postmaster read(Path data) throws IOException {
		try {
			List<String> lines = Files.readAllLines(file(data));
			return new Postmaster(data, Long.parseLong(lines.get(PID_LINE).trim()),
					Integer.parseInt(lines.get(PORT_LINE).trim()));
		}
		catch (NoSuchFileException | NumberFormatException | IndexOutOfBoundsException ex) {
			return null;
		}
	}

	/**
	 * Finds the server of a data directory. If none runs, one can be started afterwards.
	 * @param data the data directory
	 * @param limit how long a server may take to start or to stop
	 * @return the server, null if none runs
	 */
	static @Nullable Postmaster find(Path data, Duration limit) throws IOException {
		Postmaster found = read(data);
		if (found == null) {
			// PostgreSQL does not start over an empty one
			Files.deleteIfExists(file(data));
			return null;
		}
		// It may be starting, recovering, or about to end
		if (!await(limit, () -> found.accepts() || !found.isAlive())) {
			throw new IllegalStateException("the server with the process id " + found.pid + " does not answer");
		}
		if (found.accepts()) {
			return found;
		}
		if (ProcessHandle.of(found.pid).isPresent()) {
			found.disown();
		}
		return null;
	}

	/**
	 * Replaces the process id, which by now is another program's, by one that nobody has:
	 * PostgreSQL cannot tell and would refuse to start. It does not when the process is
	 * gone, and then looks itself whether anything else is left of the former server.
	 */
	private void disown() throws IOException {
		List<String> lines = new ArrayList<>(Files.readAllLines(file(this.data)));
		lines.set(PID_LINE, String.valueOf(Integer.MAX_VALUE));
		Files.write(file(this.data), lines);
	}

	String url() {
		return "jdbc:postgresql://localhost:" + this.port + "/postgres";
	}

	/**
	 * Stops the server within seconds, whoever is connected.
	 */
	void stop() {
		ProcessHandle process = ProcessHandle.of(this.pid).filter(this::isServer).orElse(null);
		if (process == null) {
			return;
		}
		if (!interrupt()) {
			process.destroy();
		}
		if (!await(STOP_LIMIT, () -> !Files.exists(file(this.data)))) {
			logger.warn("PostgreSQL did not stop within {} and is killed; it will recover", STOP_LIMIT);
			process.destroyForcibly();
		}
	}

	/**
	 * Sends the signal for a fast stop. Java alone could only send the one upon which the
	 * server waits until all clients have gone.
	 */
	private boolean interrupt() {
		try {
			return new ProcessBuilder("sh", "-c", "kill -INT " + this.pid).start().waitFor() == 0;
		}
		catch (IOException ex) {
			return false;
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			return false;
		}
	}

	/**
	 * Tells whether the server lets us in, and not some other server on its former port.
	 */
	private boolean accepts() {
		try (Connection connection = connect();
				Statement statement = connection.createStatement();
				var result = statement.executeQuery("SHOW data_directory")) {
			return result.next() && Files.isSameFile(Path.of(result.getString(1)), this.data);
		}
		catch (SQLException | IOException ex) {
			return false;
		}
	}

	private boolean isAlive() {
		return ProcessHandle.of(this.pid).filter(this::isServer).isPresent();
	}

	/**
	 * Process ids are used again, so look what the process is.
	 */
	private boolean isServer(ProcessHandle process) {
		return process.info().commandLine().filter((line) -> line.contains(this.data.toString())).isPresent();
	}

	private static Path file(Path data) {
		return data.resolve("postmaster.pid");
	}

	private Connection connect() throws SQLException {
		return DriverManager.getConnection(url() + "?connectTimeout=2&socketTimeout=5", USER, null);
	}

	private static boolean await(Duration limit, BooleanSupplier condition) {
		long deadline = System.nanoTime() + limit.toNanos();
		while (!condition.getAsBoolean()) {
			if (System.nanoTime() > deadline || Thread.currentThread().isInterrupted()) {
				return false;
			}
			try {
				TimeUnit.MILLISECONDS.sleep(20);
			}
			catch (InterruptedException ex) {
				Thread.currentThread().interrupt();
			}
		}
		return true;
	}

}
