package io.pgqueue.engine;

import java.sql.Connection;
import java.sql.SQLException;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

/**
 * A connection outside the pool that one thread keeps: opened when it is first needed,
 * and again after a failure.
 */
final class OwnConnection implements AutoCloseable {

	private final DataSource direct;

	private final Database database;

	private @Nullable Connection connection;

	OwnConnection(DataSource direct, Database database) {
		this.direct = direct;
		this.database = database;
	}

	/**
	 * Runs a statement in a transaction of its own, at READ COMMITTED.
	 */
	<T> T call(String sql, Database.Parameters parameters, Database.Reader<T> reader) {
		try {
			Connection open = this.connection;
			if (open == null) {
				open = this.direct.getConnection();
				this.connection = open;
				this.database.limit(open);
			}
			return this.database.alone(open, sql, parameters, reader);
		}
		catch (SQLException ex) {
			try {
				close();
			}
			catch (RuntimeException closing) {
				ex.addSuppressed(closing);
			}
			throw this.database.translate(sql, ex);
		}
	}

	@Override
	public void close() {
		Connection open = this.connection;
		this.connection = null;
		if (open != null) {
			try {
				open.close();
			}
			catch (SQLException ex) {
				throw this.database.translate("close", ex);
			}
		}
	}

}
