package io.pgqueue.schema;

import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

import javax.sql.DataSource;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.SchemaException;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.flywaydb.core.api.MigrationState;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings the schema up to date with a Flyway history of its own, or checks that it is
 * complete. Called once at start, before anything else touches the schema.
 * <p>
 * An application that is older than the schema changes nothing: Flyway would put the old
 * bodies of its functions back.
 */
public final class SchemaMigrator {

	/**
	 * Where the migrations lie; not below {@code db/migration}, which the application's
	 * own Flyway scans.
	 */
	public static final String LOCATION = "classpath:pgqueue/migration";

	private static final Logger logger = LoggerFactory.getLogger(SchemaMigrator.class);

	private static final String HISTORY_TABLE = "pgqueue_schema_history";

	private static final int OLDEST_SERVER = 140000;

	private final DataSource dataSource;

	private final String schema;

	private final List<String> functions;

	private final List<String> locations;

	/**
	 * Creates a migrator.
	 * @param dataSource gives connections that see one session each, not one of a pooler
	 * @param schema name of the schema, unquoted
	 * @param functions signatures of the functions that this release calls
	 * @param locations the Flyway locations, usually {@link #LOCATION}
	 */
	public SchemaMigrator(DataSource dataSource, String schema, List<String> functions, String... locations) {
		requireValidName(schema);
		this.dataSource = dataSource;
		this.schema = schema;
		this.functions = functions;
		this.locations = List.of(locations);
	}

	/**
	 * Migrates the schema unless it is newer than this release, and checks it.
	 * Applications that start at the same time wait for each other.
	 * @throws SchemaException if the schema cannot be migrated
	 */
	public void migrate() {
		try (Connection connection = this.dataSource.getConnection()) {
			requireSupportedServer(connection);
			requirePrimary(connection);
			connection.setAutoCommit(false);
			try {
				lock(connection);
				requireCreatable(connection);
				migrateLocked();
				connection.commit();
			}
			finally {
				connection.setAutoCommit(true);
			}
			requireComplete(connection);
		}
		catch (SQLException | FlywayException ex) {
			throw new SchemaException("Cannot migrate schema \"" + this.schema + "\": " + ex.getMessage()
					+ "\nGive the user the right to create it, or migrate with another user and set pgqueue.migration.enabled=false",
					ex);
		}
	}

	/**
	 * Checks that the schema has everything that this release calls, and changes nothing.
	 * @throws SchemaException if something is missing
	 */
	public void check() {
		try (Connection connection = this.dataSource.getConnection()) {
			requireSupportedServer(connection);
			requireComplete(connection);
		}
		catch (SQLException ex) {
			throw new SchemaException("Cannot check schema \"" + this.schema + "\": " + ex.getMessage(), ex);
		}
	}

	private void migrateLocked() {
		Flyway flyway = Flyway.configure(getClass().getClassLoader())
			.dataSource(this.dataSource)
			.locations(this.locations.toArray(String[]::new))
			.schemas(this.schema)
			.defaultSchema(this.schema)
			.table(HISTORY_TABLE)
			.placeholders(Map.of("schema", quoted()))
			// The schema may hold something of the application already.
			.baselineOnMigrate(true)
			.baselineVersion("0")
			.load();
		boolean newer = Arrays.stream(flyway.info().applied())
			.anyMatch((applied) -> applied.getState() == MigrationState.FUTURE_SUCCESS
					|| applied.getState() == MigrationState.FUTURE_FAILED);
		if (newer) {
			logger.info("Schema \"{}\" is newer than this release: it is used as it is", this.schema);
			return;
		}
		flyway.migrate();
	}

	private static void requireValidName(String schema) {
		int bytes = schema.getBytes(StandardCharsets.UTF_8).length;
		if (schema.isBlank() || bytes > 63 || schema.startsWith("pg_") || schema.matches(".*['\\p{Cntrl}].*")) {
			throw new InvalidConfigurationException("Invalid schema name '" + schema.replaceAll("\\p{Cntrl}", "?")
					+ "': use 1 to 63 bytes, not blank, without quotes and control characters, that do not begin with pg_");
		}
	}

	/**
	 * Flyway would try for ten seconds.
	 */
	private void requireCreatable(Connection connection) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement("SELECT to_regnamespace(?) IS NOT NULL"
				+ " OR has_database_privilege(current_database(), 'CREATE'), current_user")) {
			statement.setString(1, quoted());
			try (ResultSet result = statement.executeQuery()) {
				result.next();
				if (!result.getBoolean(1)) {
					throw new SchemaException("User " + result.getString(2) + " may not create schema \"" + this.schema
							+ "\": grant CREATE on the database, or migrate with another user and set pgqueue.migration.enabled=false");
				}
			}
		}
	}

	private String quoted() {
		return "\"" + this.schema.replace("\"", "\"\"") + "\"";
	}

	private void lock(Connection connection) throws SQLException {
		try (PreparedStatement statement = connection
			.prepareStatement("SELECT set_config('statement_timeout', '0', true),"
					+ " set_config('idle_in_transaction_session_timeout', '0', true); "
					+ "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))")) {
			statement.setString(1, "pgqueue migration of " + this.schema);
			statement.execute();
		}
	}

	private void requireComplete(Connection connection) throws SQLException {
		String prefix = quoted() + ".";
		try (PreparedStatement statement = connection
			.prepareStatement("SELECT f FROM unnest(?) AS f WHERE to_regprocedure(f) IS NULL")) {
			statement.setArray(1, connection.createArrayOf("text",
					this.functions.stream().map((function) -> prefix + function).toArray(String[]::new)));
			try (ResultSet missing = statement.executeQuery()) {
				if (missing.next()) {
					throw new SchemaException("Schema \"" + this.schema + "\" lacks function " + missing.getString(1)
							+ ". Start an application of this release with pgqueue.migration.enabled=true, or apply the SQL files in pgqueue/migration of pgqueue-core yourself");
				}
			}
		}
	}

	private static void requirePrimary(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement();
				ResultSet recovery = statement.executeQuery("SELECT pg_is_in_recovery()")) {
			recovery.next();
			if (recovery.getBoolean(1)) {
				throw new SchemaException("The server is a standby, which is read-only: lead the URL to the primary,"
						+ " or add targetServerType=primary to it");
			}
		}
	}

	private static void requireSupportedServer(Connection connection) throws SQLException {
		String product = connection.getMetaData().getDatabaseProductName();
		if (!"PostgreSQL".equals(product)) {
			throw new SchemaException("PgQueue needs PostgreSQL 14 or newer, but the DataSource leads to " + product
					+ ". Name another DataSource with pgqueue.datasource or @PgQueueDataSource");
		}
		try (Statement statement = connection.createStatement();
				ResultSet version = statement.executeQuery("SELECT current_setting('server_version_num')::int")) {
			version.next();
			if (version.getInt(1) < OLDEST_SERVER) {
				throw new SchemaException("PgQueue needs PostgreSQL 14 or newer, but the server is "
						+ connection.getMetaData().getDatabaseProductVersion());
			}
		}
	}

}
