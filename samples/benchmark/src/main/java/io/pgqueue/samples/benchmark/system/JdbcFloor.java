package io.pgqueue.samples.benchmark.system;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import org.jspecify.annotations.Nullable;

/**
 * The floor: plain JDBC that inserts the same rows into a table with the same columns and
 * key, and for transactional handlers the same insert and one delete in a transaction.
 */
final class JdbcFloor implements QueueSystem {

	private static final String TABLE = """
			CREATE SEQUENCE bench.message_id AS bigint CACHE 1;
			CREATE TABLE bench.message (
				slot smallint NOT NULL,
				lane smallint NOT NULL DEFAULT 0,
				queue_id integer NOT NULL,
				xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
				id bigint NOT NULL DEFAULT nextval('bench.message_id'),
				enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
				size integer NOT NULL,
				headers json,
				payload json NOT NULL,
				PRIMARY KEY (queue_id, lane, xid, id)
			)""";

	private static final String INSERT = "INSERT INTO bench.message (slot, queue_id, size, headers, payload)";

	private static final String INSERT_ONE = INSERT + " VALUES (0, 1, ?, NULL, ?::json)";

	private static final String INSERT_ALL = INSERT
			+ " SELECT 0, 1, octet_length(p), NULL, p::json FROM unnest(?) AS m (p)";

	private static final String DELETE = "DELETE FROM bench.message"
			+ " WHERE queue_id = 1 AND lane = 0 AND xid = ?::xid8 AND id = ?";

	private @Nullable HikariDataSource pool;

	@Override
	public String name() {
		return "jdbc";
	}

	@Override
	public String tuning() {
		return "plain JDBC, HikariCP with its 10 connections, Jackson encoding; transactions by 10 threads";
	}

	@Override
	public double share() {
		return 1;
	}

	@Override
	public @Nullable String unsupported(Mode mode) {
		return (mode != Mode.SEND && mode != Mode.TRANSACTIONAL) ? "a floor for sends and transactions, not a queue"
				: null;
	}

	@Override
	public void open(String url, Mode mode) throws SQLException {
		this.pool = BenchmarkDatabase.pool(url, 10);
		try (Connection connection = this.pool.getConnection(); Statement statement = connection.createStatement()) {
			statement.execute(TABLE);
		}
	}

	@Override
	public void send(BenchmarkMessage message) throws SQLException {
		String json = MessageJson.write(message);
		try (Connection connection = connect(); PreparedStatement insert = connection.prepareStatement(INSERT_ONE)) {
			insert.setInt(1, json.length());
			insert.setString(2, json);
			insert.executeUpdate();
		}
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) throws SQLException {
		String[] json = messages.stream().map(MessageJson::write).toArray(String[]::new);
		try (Connection connection = connect(); PreparedStatement insert = connection.prepareStatement(INSERT_ALL)) {
			insert.setArray(1, connection.createArrayOf("text", json));
			insert.executeUpdate();
		}
	}

	@Override
	public Consumption consume(Handler handler) throws SQLException {
		Queue<Row> rows = new ConcurrentLinkedQueue<>();
		try (Connection connection = connect();
				Statement statement = connection.createStatement();
				ResultSet results = statement.executeQuery("SELECT xid::text, id, payload FROM bench.message")) {
			while (results.next()) {
				rows.add(new Row(results.getString(1), results.getLong(2), MessageJson.read(results.getString(3))));
			}
		}
		return Loops.start("jdbc", 10, (ready, running) -> transactions(rows, handler, ready, running));
	}

	private void transactions(Queue<Row> rows, Handler handler, Runnable ready, BooleanSupplier running)
			throws SQLException {
		try (Connection connection = connect();
				PreparedStatement insert = connection.prepareStatement(BenchmarkDatabase.INSERT_EFFECT);
				PreparedStatement delete = connection.prepareStatement(DELETE)) {
			connection.setAutoCommit(false);
			ready.run();
			Row row = rows.poll();
			while (row != null && running.getAsBoolean()) {
				insert.setLong(1, row.message().id());
				insert.setString(2, row.message().customer());
				insert.executeUpdate();
				handler.one(row.message());
				delete.setString(1, row.xid());
				delete.setLong(2, row.id());
				delete.executeUpdate();
				connection.commit();
				row = rows.poll();
			}
		}
	}

	private Connection connect() throws SQLException {
		if (this.pool == null) {
			throw new IllegalStateException("Not open");
		}
		return this.pool.getConnection();
	}

	@Override
	public void close() {
		if (this.pool != null) {
			this.pool.close();
		}
	}

	/**
	 * A row to delete.
	 *
	 * @param xid first part of its key
	 * @param id second part of its key
	 * @param message the message
	 */
	private record Row(String xid, long id, BenchmarkMessage message) {
	}

}
