package io.pgqueue.listener;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

import io.pgqueue.test.Await;
import io.pgqueue.test.TestDatabase;

/**
 * Keeps everybody else from a table until it is closed.
 */
final class DatabaseLock implements AutoCloseable {

	private final TestDatabase database;

	private final Connection connection;

	private DatabaseLock(TestDatabase database, Connection connection) {
		this.database = database;
		this.connection = connection;
	}

	static DatabaseLock on(TestDatabase database, String table) {
		try {
			Connection connection = database.directDataSource().getConnection();
			connection.setAutoCommit(false);
			try (Statement statement = connection.createStatement()) {
				statement.execute("LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE");
			}
			return new DatabaseLock(database, connection);
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	/**
	 * Waits until somebody waits for the lock.
	 */
	void awaitBlocked() {
		Await.until("somebody waits for the lock", () -> this.database.jdbc()
			.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
			.query(Integer.class)
			.single() > 0);
	}

	@Override
	public void close() {
		try (this.connection) {
			this.connection.rollback();
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

}
