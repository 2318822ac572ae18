package io.pgqueue.samples.benchmark.server;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

/**
 * The PostgreSQL that everything runs on: embedded binaries, durable as in production, or
 * one that the user names.
 */
public final class BenchmarkServer implements AutoCloseable {

	private static final List<String> SHOWN = List.of("server_version", "fsync", "synchronous_commit",
			"full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size", "checkpoint_timeout", "wal_level",
			"wal_compression", "autovacuum", "max_connections", "io_method", "shared_preload_libraries");

	private static final Pattern URL = Pattern.compile("(jdbc:postgresql:(?://[^/]+/)?)[^?]*(\\?.+)?");

	private final @Nullable EmbeddedPostgres embedded;

	private final String address;

	private final String parameters;

	private final SingleConnectionDataSource adminConnection;

	private final JdbcClient admin;

	private int databases;

	private BenchmarkServer(String url, @Nullable EmbeddedPostgres embedded) {
		Matcher parts = URL.matcher(url);
		if (!parts.matches()) {
			throw new IllegalArgumentException(
					"Not like jdbc:postgresql://host:port/database?user=name&password=secret: " + url);
		}
		this.embedded = embedded;
		this.address = parts.group(1);
		this.parameters = (parts.group(2) != null) ? parts.group(2) : "";
		this.adminConnection = new SingleConnectionDataSource(url, true);
		this.admin = JdbcClient.create(this.adminConnection);
	}

	/**
	 * Starts a server with durability on and room for everything that the workloads do.
	 * @param settings further settings, or other values for these
	 * @return the server
	 */
	public static BenchmarkServer start(Map<String, String> settings) {
		Map<String, String> all = new LinkedHashMap<>();
		// The embedded server is not durable unless it is told to be.
		all.put("fsync", "on");
		all.put("synchronous_commit", "on");
		all.put("shared_buffers", "1GB");
		// No checkpoint by size or time should fall into a measurement.
		all.put("max_wal_size", "8GB");
		all.put("min_wal_size", "2GB");
		all.put("checkpoint_timeout", "15min");
		all.put("max_connections", "400");
		all.put("shared_preload_libraries", "pg_stat_statements");
		all.putAll(settings);
		EmbeddedPostgres.Builder builder = EmbeddedPostgres.builder();
		all.forEach(builder::setServerConfig);
		try {
			EmbeddedPostgres embedded = builder.start();
			BenchmarkServer server = new BenchmarkServer(
					"jdbc:postgresql://localhost:" + embedded.getPort() + "/postgres?user=postgres&password=postgres",
					embedded);
			server.admin.sql("CREATE EXTENSION pg_stat_statements").update();
			return server;
		}
		catch (IOException ex) {
			throw new UncheckedIOException("Cannot start the embedded PostgreSQL", ex);
		}
	}

	/**
	 * Uses a server that runs already.
	 * @param url the JDBC URL of a superuser, with user and password as parameters
	 * @return the server
	 */
	public static BenchmarkServer at(String url) {
		return new BenchmarkServer(url, null);
	}

	/**
	 * Creates an empty database.
	 * @return the database; closing it drops it
	 */
	public BenchmarkDatabase createDatabase() {
		String name = "bench_" + ProcessHandle.current().pid() + "_" + ++this.databases;
		this.admin.sql("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'").update();
		return new BenchmarkDatabase(this, name, this.address + name + this.parameters);
	}

	void drop(String database) {
		this.admin.sql("DROP DATABASE " + database + " WITH (FORCE)").update();
	}

	/**
	 * Returns a client on one connection to the database {@code postgres}, so that what
	 * measures is not counted among the statements that it measures.
	 * @return the client
	 */
	public JdbcClient admin() {
		return this.admin;
	}

	/**
	 * Asks the server for the settings that matter.
	 * @return their values as SHOW prints them
	 */
	public Map<String, String> settings() {
		Map<String, String> settings = new LinkedHashMap<>();
		for (String name : SHOWN) {
			String value = this.admin.sql("SELECT current_setting(?, true)").param(name).query(String.class).single();
			if (value != null) {
				settings.put(name, value);
			}
		}
		return settings;
	}

	/**
	 * Tells whether commits survive a loss of power.
	 * @return whether fsync and synchronous_commit are on
	 */
	public boolean isDurable() {
		Map<String, String> settings = settings();
		return "on".equals(settings.get("fsync")) && "on".equals(settings.get("synchronous_commit"));
	}

	/**
	 * Finds the first process of the server, whose children are all others.
	 * @return its id, or null if the server runs elsewhere
	 */
	public @Nullable Long postmaster() {
		long backend = this.admin.sql("SELECT pg_backend_pid()").query(Long.class).single();
		return ProcessHandle.of(backend)
			.flatMap(ProcessHandle::parent)
			.map(ProcessHandle::pid)
			.filter(BenchmarkServer::isPostgres)
			.orElse(null);
	}

	private static boolean isPostgres(long pid) {
		try {
			return Files.readString(Path.of("/proc/" + pid + "/comm")).startsWith("postgres");
		}
		catch (IOException ex) {
			return false;
		}
	}

	@Override
	public void close() throws IOException {
		this.adminConnection.destroy();
		if (this.embedded != null) {
			this.embedded.close();
		}
	}

}
