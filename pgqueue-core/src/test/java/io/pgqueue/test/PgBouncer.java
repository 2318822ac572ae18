package io.pgqueue.test;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

import org.springframework.util.FileSystemUtils;

/**
 * PgBouncer in transaction mode in front of a test's database.
 */
public final class PgBouncer implements AutoCloseable {

	private final TestDatabase database;

	private final URI target;

	private final int port;

	private final Path directory;

	private final Process process;

	public PgBouncer(TestDatabase database) throws IOException {
		this(database, 20);
	}

	/**
	 * Starts a pooler.
	 * @param database the database behind it
	 * @param sessions how many sessions its clients share
	 */
	public PgBouncer(TestDatabase database, int sessions) throws IOException {
		Path program = SystemProgram.find("pgbouncer");
		this.database = database;
		this.target = URI.create(database.jdbcUrl().substring("jdbc:".length()));
		this.port = freePort();
		this.directory = Files.createTempDirectory("pgbouncer");
		// It refuses to run as root, and must be able to read this as somebody else.
		Files.setPosixFilePermissions(this.directory, PosixFilePermissions.fromString("rwxr-xr-x"));
		Path users = Files.writeString(this.directory.resolve("users.txt"),
				"\"" + database.username() + "\" \"" + database.password() + "\"\n");
		Path settings = Files.writeString(this.directory.resolve("pgbouncer.ini"), """
				[databases]
				* = host=%s port=%s
				[pgbouncer]
				listen_addr = 127.0.0.1
				listen_port = %s
				unix_socket_dir =
				auth_type = trust
				auth_file = %s
				pool_mode = transaction
				max_client_conn = 200
				default_pool_size = %s
				ignore_startup_parameters = extra_float_digits
				""".formatted(this.target.getHost(), this.target.getPort(), this.port, users, sessions));
		List<String> command = new ArrayList<>(List.of(program.toString()));
		if (System.getProperty("user.name").equals("root")) {
			command.addAll(List.of("-u", "nobody"));
		}
		command.add(settings.toString());
		File output = this.directory.resolve("output.txt").toFile();
		this.process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output).start();
		Await.until("PgBouncer listens: " + output, () -> {
			if (!this.process.isAlive()) {
				throw new IllegalStateException(Files.readString(output.toPath()));
			}
			return Files.readString(output.toPath()).contains("process up");
		});
	}

	private static int freePort() throws IOException {
		try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
			return socket.getLocalPort();
		}
	}

	/**
	 * Returns the URL of the same database through the pooler, as its users write it.
	 */
	public String jdbcUrl() {
		String url = this.database.jdbcUrl()
			.replace(this.target.getHost() + ":" + this.target.getPort(), "127.0.0.1:" + this.port);
		return url + (url.contains("?") ? "&" : "?") + "prepareThreshold=0";
	}

	@Override
	public void close() throws IOException {
		this.process.destroy();
		this.process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
		FileSystemUtils.deleteRecursively(this.directory);
	}

}
