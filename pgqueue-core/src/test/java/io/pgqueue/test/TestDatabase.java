package io.pgqueue.test;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.engine.EngineFunctions;
import io.pgqueue.schema.SchemaMigrator;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * An empty database for one test class, as a superuser sees it. Its sessions live in
 * another time zone than the JVM.
 */
public final class TestDatabase implements AutoCloseable {

	/**
	 * The schema that the library uses by default.
	 */
	public static final String SCHEMA = "pgqueue";

	private final PostgresServer server;

	private final String name;

	private final List<HikariDataSource> pools = new ArrayList<>();

	private final List<TestUser> users = new ArrayList<>();

	private final DataSource direct;

	private @Nullable HikariDataSource pool;

	TestDatabase(PostgresServer server, String name) {
		this.server = server;
		this.name = name;
		this.direct = server.connect(name, server.superuser());
	}

	/**
	 * Returns the pool that an application would use, with 20 connections.
	 * @return the pool
	 */
	public synchronized HikariDataSource dataSource() {
		if (this.pool == null) {
			this.pool = pool((config) -> config.setMaximumPoolSize(20));
		}
		return this.pool;
	}

	/**
	 * Returns a DataSource that opens a new connection at each call.
	 * @return the DataSource
	 */
	public DataSource directDataSource() {
		return this.direct;
	}

	/**
	 * Returns a DataSource that opens a new connection of another user at each call.
	 * @param user the user
	 * @return the DataSource
	 */
	public DataSource directDataSource(TestUser user) {
		return this.server.connect(this.name, user);
	}

	/**
	 * Creates a further pool, closed together with this database. Fixed before the
	 * options: URL, user, password, 10 connections of which none is opened ahead.
	 * @param options changes its configuration
	 * @return the pool
	 */
	public synchronized HikariDataSource pool(Consumer<HikariConfig> options) {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl(jdbcUrl());
		config.setUsername(username());
		config.setPassword(password());
		config.setConnectionInitSql(connectionInitSql());
		config.setMinimumIdle(0);
		config.setMaximumPoolSize(10);
		options.accept(config);
		HikariDataSource created = new HikariDataSource(config);
		this.pools.add(created);
		return created;
	}

	/**
	 * Creates a pool of another user.
	 * @param user the user
	 * @return the pool
	 */
	public HikariDataSource pool(TestUser user) {
		return pool((config) -> {
			config.setUsername(user.name());
			config.setPassword(user.password());
		});
	}

	/**
	 * Returns the URL without user and password.
	 * @return the URL
	 */
	public String jdbcUrl() {
		return this.server.url(this.name);
	}

	/**
	 * Returns the name of the superuser.
	 * @return the name
	 */
	public String username() {
		return this.server.superuser().name();
	}

	/**
	 * Returns the password of the superuser.
	 * @return the password
	 */
	public String password() {
		return this.server.superuser().password();
	}

	/**
	 * Returns the name of the database.
	 * @return the name
	 */
	public String name() {
		return this.name;
	}

	/**
	 * Returns what puts a session into another time zone than the JVM, for pools that are
	 * configured elsewhere.
	 * @return a statement
	 */
	public String connectionInitSql() {
		return PostgresServer.timeZoneSql();
	}

	/**
	 * Returns a client for assertions: a new connection for each statement, so that no
	 * pool of a test is disturbed and no transaction of a test is joined.
	 * @return the client
	 */
	public JdbcClient jdbc() {
		return JdbcClient.create(this.direct);
	}

	/**
	 * Creates or updates the schema {@value #SCHEMA}.
	 */
	public void migrate() {
		migrate(SCHEMA);
	}

	/**
	 * Creates or updates a schema.
	 * @param schema its name, unquoted
	 */
	public void migrate(String schema) {
		new SchemaMigrator(this.direct, schema, EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION).migrate();
	}

	/**
	 * Creates a user without any rights beyond those of PUBLIC; dropped together with
	 * this database.
	 * @return the user
	 */
	public synchronized TestUser createUser() {
		TestUser user = new TestUser(this.name + "_user_" + (this.users.size() + 1), "secret");
		jdbc().sql("CREATE ROLE " + user.name() + " LOGIN PASSWORD '" + user.password() + "'").update();
		this.users.add(user);
		return user;
	}

	/**
	 * Gives a user the rights of an application: to read and write, not to change the
	 * schema.
	 * @param user the user
	 * @param schema the schema, unquoted
	 */
	public void grantUse(TestUser user, String schema) {
		String quoted = "\"" + schema.replace("\"", "\"\"") + "\"";
		jdbc().sql("GRANT USAGE ON SCHEMA " + quoted + " TO " + user.name()).update();
		jdbc().sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + quoted + " TO " + user.name())
			.update();
		jdbc().sql("GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + quoted + " TO " + user.name()).update();
	}

	@Override
	public synchronized void close() {
		this.pools.forEach(HikariDataSource::close);
		this.server.drop(this.name);
		this.users.forEach((user) -> this.server.admin().sql("DROP ROLE " + user.name()).update());
	}

}
