package io.pgqueue.samples.benchmark.server;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * An empty database for one run of one system, so that nothing is left over from the run
 * before. Holds what transactional handlers write into.
 */
public final class BenchmarkDatabase implements AutoCloseable {

	/**
	 * What a transactional handler does, with the id of the message and a text.
	 */
	public static final String INSERT_EFFECT = "INSERT INTO bench.effect (message_id, note) VALUES (?, ?)";

	private final BenchmarkServer server;

	private final String name;

	private final String url;

	BenchmarkDatabase(BenchmarkServer server, String name, String url) {
		this.server = server;
		this.name = name;
		this.url = url;
		JdbcClient jdbc = jdbc();
		jdbc.sql("CREATE SCHEMA bench").update();
		jdbc.sql("CREATE TABLE bench.effect (message_id bigint PRIMARY KEY, note text NOT NULL)").update();
		jdbc.sql("CREATE EXTENSION IF NOT EXISTS pgstattuple SCHEMA bench").update();
	}

	/**
	 * Returns the name of the database.
	 * @return the name
	 */
	public String name() {
		return this.name;
	}

	/**
	 * Returns the address of the database.
	 * @return a JDBC URL with user and password
	 */
	public String url() {
		return this.url;
	}

	/**
	 * Opens a connection.
	 * @return the connection
	 * @throws SQLException if that fails
	 */
	public Connection connect() throws SQLException {
		return DriverManager.getConnection(this.url);
	}

	/**
	 * Returns a client that opens a connection for each statement.
	 * @return the client
	 */
	public JdbcClient jdbc() {
		return JdbcClient.create(new DriverManagerDataSource(this.url));
	}

	/**
	 * Creates a pool.
	 * @param url the JDBC URL with user and password
	 * @param size most connections; HikariCP's and Boot's default is 10
	 * @return the pool
	 */
	public static HikariDataSource pool(String url, int size) {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl(url);
		config.setMaximumPoolSize(size);
		return new HikariDataSource(config);
	}

	/**
	 * Counts dead rows in tables, exactly.
	 * @return how many were not vacuumed away
	 */
	public long deadRows() {
		return jdbc().sql("""
				SELECT coalesce(sum((bench.pgstattuple(c.oid)).dead_tuple_count), 0)::bigint
				FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
				""").query(Long.class).single();
	}

	@Override
	public void close() {
		this.server.drop(this.name);
	}

}
