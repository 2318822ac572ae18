package io.pgqueue.engine;

import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.Duration;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.dao.CannotAcquireLockException;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.QueryTimeoutException;
import org.springframework.dao.TransientDataAccessResourceException;
import org.springframework.jdbc.UncategorizedSQLException;
import org.springframework.jdbc.datasource.ConnectionHolder;
import org.springframework.jdbc.datasource.DataSourceUtils;
import org.springframework.jdbc.datasource.TransactionAwareDataSourceProxy;
import org.springframework.jdbc.support.SQLExceptionSubclassTranslator;
import org.springframework.jdbc.support.SQLExceptionTranslator;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.util.Assert;
import org.springframework.util.ReflectionUtils;

/**
 * Runs single statements against one schema: in the caller's transaction, or in a
 * transaction of their own. Every statement calls one SQL function; names from users are
 * bind values.
 */
public final class Database {

	private static final String WRONG_ISOLATION = "PGQ01";

	private static final String WORKER_GONE = "PGQ02";

	/**
	 * How long an own statement waits for an answer: a connection whose other end has
	 * vanished reports no error.
	 */
	private static final Duration LIMIT = Duration.ofMinutes(1);

	private static final String READ_ONLY = "25006";

	private static final String LOCK_NOT_AVAILABLE = "55P03";

	private static final String QUERY_CANCELED = "57014";

	private static final Method TRANSACTION_ACTIVE = transactionActive();

	private final DataSource dataSource;

	private final String schema;

	private final SQLExceptionTranslator translator = new SQLExceptionSubclassTranslator();

	private final int limitMillis;

	private volatile boolean explicitIsolation;

	/**
	 * Creates an access to one schema.
	 * @param dataSource where connections come from
	 * @param schema name of the schema, unquoted
	 */
	public Database(DataSource dataSource, String schema) {
		this(dataSource, schema, LIMIT);
	}

	Database(DataSource dataSource, String schema, Duration limit) {
		this.dataSource = (dataSource instanceof TransactionAwareDataSourceProxy proxy
				&& proxy.getTargetDataSource() != null) ? proxy.getTargetDataSource() : dataSource;
		this.schema = quote(schema);
		this.limitMillis = (int) limit.toMillis();
	}

	/**
	 * Quotes an identifier.
	 * @param identifier the identifier as the user wrote it
	 * @return the identifier as SQL needs it
	 */
	public static String quote(String identifier) {
		return "\"" + identifier.replace("\"", "\"\"") + "\"";
	}

	/**
	 * Returns where connections come from, to recognise transactions on it.
	 * @return the DataSource
	 */
	public DataSource dataSource() {
		return this.dataSource;
	}

	String function(String call) {
		return "SELECT * FROM " + this.schema + "." + call;
	}

	/**
	 * Tells whether Spring has bound a transaction on this DataSource to the thread. One
	 * on another DataSource, or a scope without a transaction, does not count.
	 * @return whether there is one
	 */
	public boolean inTransaction() {
		ConnectionHolder holder = boundHolder();
		return holder != null && TransactionSynchronizationManager.isActualTransactionActive()
				&& TransactionSynchronizationManager.isSynchronizationActive() && belongsToTransaction(holder);
	}

	/**
	 * Commits what was sent on the bound connection after Spring had committed the
	 * transaction: nobody else would.
	 */
	public void commitAfterCommit() {
		ConnectionHolder holder = boundHolder();
		try {
			if (holder != null && !holder.getConnection().getAutoCommit()) {
				holder.getConnection().commit();
			}
		}
		catch (SQLException ex) {
			throw translate("commit", ex);
		}
	}

	/**
	 * Runs several statements in the transaction that Spring has bound, all or none.
	 * @param statements the statements
	 */
	public void inSavepoint(Runnable statements) {
		Connection connection = DataSourceUtils.getConnection(this.dataSource);
		try {
			Savepoint savepoint = connection.setSavepoint();
			try {
				statements.run();
			}
			catch (RuntimeException | Error ex) {
				connection.rollback(savepoint);
				throw ex;
			}
			connection.releaseSavepoint(savepoint);
		}
		catch (SQLException ex) {
			throw translate("savepoint", ex);
		}
		finally {
			DataSourceUtils.releaseConnection(connection, this.dataSource);
		}
	}

	private @Nullable ConnectionHolder boundHolder() {
		return (ConnectionHolder) TransactionSynchronizationManager.getResource(this.dataSource);
	}

	/**
	 * A holder that {@link DataSourceUtils} has bound, for the length of a transaction on
	 * another DataSource, is synchronised but not active; one of a JDBC transaction is
	 * both, one of a JPA transaction neither.
	 */
	private static boolean belongsToTransaction(ConnectionHolder holder) {
		return !holder.isSynchronizedWithTransaction()
				|| Boolean.TRUE.equals(ReflectionUtils.invokeMethod(TRANSACTION_ACTIVE, holder));
	}

	private static Method transactionActive() {
		// Protected, and the only thing that tells.
		Method method = ReflectionUtils.findMethod(ConnectionHolder.class, "isTransactionActive");
		Assert.state(method != null,
				"ConnectionHolder.isTransactionActive() is gone: this release does not work with this Spring");
		ReflectionUtils.makeAccessible(method);
		return method;
	}

	/**
	 * Runs a statement in the transaction that Spring has bound to the DataSource, or
	 * else commits it by itself.
	 */
	<T> T joined(String sql, Parameters parameters, Reader<T> reader) {
		if (!inTransaction()) {
			try (Connection connection = this.dataSource.getConnection()) {
				return autocommit(connection, sql, parameters, reader);
			}
			catch (SQLException ex) {
				throw translate(sql, ex);
			}
		}
		Connection connection = DataSourceUtils.getConnection(this.dataSource);
		try {
			return query(connection, sql, parameters, reader);
		}
		catch (SQLException ex) {
			throw translate(sql, ex);
		}
		finally {
			DataSourceUtils.releaseConnection(connection, this.dataSource);
		}
	}

	/**
	 * Runs a statement in a transaction of its own, at READ COMMITTED, in one round trip.
	 */
	<T> T alone(String sql, Parameters parameters, Reader<T> reader) {
		try (Connection connection = this.dataSource.getConnection()) {
			int before = connection.getNetworkTimeout();
			boolean limited = limit(connection);
			try {
				return alone(connection, sql, parameters, reader);
			}
			catch (SQLException ex) {
				if (READ_ONLY.equals(ex.getSQLState())) {
					limited = false;
					discard(connection, ex);
				}
				throw ex;
			}
			finally {
				if (limited && !connection.isClosed()) {
					connection.setNetworkTimeout(Runnable::run, before);
				}
			}
		}
		catch (SQLException ex) {
			throw translate(sql, ex);
		}
	}

	/**
	 * Has a pool let go of a connection to a server that is a standby by now, which it
	 * would hand out for as long as it lasts. The next one may lead to the primary.
	 */
	private static void discard(Connection connection, SQLException failure) {
		try {
			connection.abort(Runnable::run);
		}
		catch (SQLException ex) {
			failure.addSuppressed(ex);
		}
	}

	/**
	 * Limits how long statements of a connection wait for an answer.
	 * @return whether that was needed
	 */
	boolean limit(Connection connection) throws SQLException {
		int before = connection.getNetworkTimeout();
		boolean unlimited = before <= 0 || before > this.limitMillis;
		if (unlimited) {
			connection.setNetworkTimeout(Runnable::run, this.limitMillis);
		}
		return unlimited;
	}

	<T> T alone(Connection connection, String sql, Parameters parameters, Reader<T> reader) throws SQLException {
		if (!this.explicitIsolation) {
			try {
				return autocommit(connection, sql, parameters, reader);
			}
			catch (SQLException ex) {
				if (!WRONG_ISOLATION.equals(ex.getSQLState())) {
					throw ex;
				}
				// The database, the role or the pool sets another level by default.
				this.explicitIsolation = true;
			}
		}
		String framed = "BEGIN ISOLATION LEVEL READ COMMITTED; " + sql + "; COMMIT";
		return autocommit(connection, framed, parameters, reader);
	}

	RuntimeException translate(String sql, SQLException ex) {
		if (WORKER_GONE.equals(ex.getSQLState())) {
			return new WorkerGoneException(ex);
		}
		if (LOCK_NOT_AVAILABLE.equals(ex.getSQLState())) {
			return new CannotAcquireLockException("pgqueue: somebody else holds what is needed locked", ex);
		}
		if (QUERY_CANCELED.equals(ex.getSQLState())) {
			return new QueryTimeoutException("pgqueue: the server has cancelled the statement: " + ex.getMessage(), ex);
		}
		if (READ_ONLY.equals(ex.getSQLState())) {
			return new TransientDataAccessResourceException(
					"pgqueue: the server refuses to write: unless the transaction"
							+ " is read-only, it is probably a standby; lead the URL to the primary, or add"
							+ " targetServerType=primary to it: " + ex.getMessage(),
					ex);
		}
		DataAccessException translated = this.translator.translate("pgqueue", sql, ex);
		return (translated != null) ? translated : new UncategorizedSQLException("pgqueue", sql, ex);
	}

	private <T> T autocommit(Connection connection, String sql, Parameters parameters, Reader<T> reader)
			throws SQLException {
		boolean auto = connection.getAutoCommit();
		if (!auto) {
			connection.setAutoCommit(true);
		}
		try {
			return query(connection, sql, parameters, reader);
		}
		catch (SQLException ex) {
			if (sql.startsWith("BEGIN")) {
				rollback(connection, ex);
			}
			throw ex;
		}
		finally {
			if (!auto && !connection.isClosed()) {
				connection.setAutoCommit(false);
			}
		}
	}

	private static void rollback(Connection connection, SQLException failure) {
		try (Statement statement = connection.createStatement()) {
			statement.execute("ROLLBACK");
		}
		catch (SQLException ex) {
			failure.addSuppressed(ex);
		}
	}

	private static <T> T query(Connection connection, String sql, Parameters parameters, Reader<T> reader)
			throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			parameters.set(statement);
			boolean rows = statement.execute();
			while (!rows) {
				rows = statement.getMoreResults();
			}
			try (ResultSet results = statement.getResultSet()) {
				return reader.read(results);
			}
		}
	}

	/**
	 * Sets the parameters of a statement.
	 */
	@FunctionalInterface
	interface Parameters {

		void set(PreparedStatement statement) throws SQLException;

	}

	/**
	 * Reads the rows of a result.
	 *
	 * @param <T> what is made of them
	 */
	@FunctionalInterface
	interface Reader<T> {

		T read(ResultSet results) throws SQLException;

	}

}
