package io.pgqueue.test;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

import javax.sql.DataSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

/**
 * One connection of its own, for tests that interleave transactions by hand. Transactions
 * are begun and ended by statements; the driver stays in autocommit.
 */
public final class Session implements AutoCloseable {

	private final Connection connection;

	private final JdbcClient jdbc;

	private final int pid;

	/**
	 * Opens a connection.
	 * @param dataSource where from
	 */
	public Session(DataSource dataSource) {
		try {
			this.connection = dataSource.getConnection();
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
		this.jdbc = JdbcClient.create(new SingleConnectionDataSource(this.connection, true));
		this.pid = this.jdbc.sql("SELECT pg_backend_pid()").query(Integer.class).single();
	}

	/**
	 * Opens a connection and begins a transaction.
	 * @param database where
	 * @return the session
	 */
	public static Session begin(TestDatabase database) {
		Session session = new Session(database.directDataSource());
		session.execute("BEGIN");
		return session;
	}

	/**
	 * Opens a connection and begins a transaction.
	 * @param database where
	 * @param isolation isolation level as SQL names it
	 * @return the session
	 */
	public static Session begin(TestDatabase database, String isolation) {
		Session session = new Session(database.directDataSource());
		session.execute("BEGIN ISOLATION LEVEL " + isolation);
		return session;
	}

	/**
	 * Runs a statement as it is, without looking for parameters in it.
	 * @param sql the statement
	 */
	public void execute(String sql) {
		try (var statement = this.connection.createStatement()) {
			statement.execute(sql);
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex.getMessage(), ex);
		}
	}

	/**
	 * Commits.
	 */
	public void commit() {
		execute("COMMIT");
	}

	/**
	 * Rolls back.
	 */
	public void rollback() {
		execute("ROLLBACK");
	}

	/**
	 * Returns a client for this connection.
	 * @return the client
	 */
	public JdbcClient jdbc() {
		return this.jdbc;
	}

	/**
	 * Returns the connection.
	 * @return the connection
	 */
	public Connection connection() {
		return this.connection;
	}

	/**
	 * Returns the connection as a DataSource that hands out nothing else.
	 * @return the DataSource
	 */
	public DataSource dataSource() {
		return new SingleConnectionDataSource(this.connection, true);
	}

	/**
	 * Returns the process id of the backend.
	 * @return the process id
	 */
	public int pid() {
		return this.pid;
	}

	/**
	 * Runs something on this connection in another thread and returns when it waits for a
	 * lock.
	 * @param <T> what it returns
	 * @param observer where to look whether it waits
	 * @param call what to run
	 * @return its result, later
	 */
	public <T> CompletableFuture<T> blocked(TestDatabase observer, Callable<T> call) {
		CompletableFuture<T> result = CompletableFuture.supplyAsync(() -> {
			try {
				return call.call();
			}
			catch (Exception ex) {
				throw new CompletionException(ex);
			}
		}, (task) -> new Thread(task, "session-" + this.pid).start());
		Await.until("session " + this.pid + " waits for a lock", () -> {
			if (result.isDone()) {
				throw new AssertionError("It has not waited at all, but ended: " + result);
			}
			return observer.jdbc()
				.sql("SELECT count(*) > 0 FROM pg_locks WHERE pid = ? AND NOT granted")
				.param(this.pid)
				.query(Boolean.class)
				.single();
		});
		return result;
	}

	/**
	 * Ends the transaction, so that its locks are gone when this returns, and closes the
	 * connection.
	 */
	@Override
	public void close() {
		try (Connection closing = this.connection) {
			if (!closing.isClosed()) {
				execute("ROLLBACK");
			}
		}
		catch (IllegalStateException ex) {
			// The server has ended the connection, and the transaction with it.
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

}
