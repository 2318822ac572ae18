package io.pgqueue.listener;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.engine.Database;
import io.pgqueue.test.Await;
import io.pgqueue.test.TestDatabase;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

/**
 * Hears the notifications of a schema, as any process would that uses it.
 */
final class HeardNotifications implements AutoCloseable {

	private final TestDatabase database;

	private final String channel;

	private final Connection connection;

	private final List<PGNotification> heard = new CopyOnWriteArrayList<>();

	private HeardNotifications(TestDatabase database, String channel, Connection connection) {
		this.database = database;
		this.channel = channel;
		this.connection = connection;
	}

	static HeardNotifications of(TestDatabase database, String schema) throws SQLException {
		Connection connection = database.directDataSource().getConnection();
		try (Statement statement = connection.createStatement()) {
			statement.execute("LISTEN " + Database.quote(schema));
		}
		return new HeardNotifications(database, schema, connection);
	}

	/**
	 * Returns what has arrived.
	 */
	List<PGNotification> arrived() throws SQLException {
		PGNotification[] more = this.connection.unwrap(PGConnection.class).getNotifications(10);
		if (more != null) {
			this.heard.addAll(List.of(more));
		}
		return this.heard;
	}

	/**
	 * Returns what was committed before this call, all of it: notifications arrive in the
	 * order of the commits.
	 */
	List<PGNotification> committed() {
		String last = UUID.randomUUID().toString();
		this.database.jdbc().sql("SELECT pg_notify(?, ?)").params(this.channel, last).query().listOfRows();
		Await.until("the last one has arrived", () -> arrived().stream().anyMatch((one) -> isText(one, last)));
		this.heard.removeIf((one) -> isText(one, last));
		return List.copyOf(this.heard);
	}

	private static boolean isText(PGNotification notification, String text) {
		return notification.getParameter().equals(text);
	}

	@Override
	public void close() throws SQLException {
		this.connection.close();
	}

}
