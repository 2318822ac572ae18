package io.pgqueue.samples.benchmark.system;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import org.jspecify.annotations.Nullable;

/**
 * The usual queue table, with table, index and statements as in pgmq 1.5: read makes a
 * message invisible for a while, delete acknowledges.
 */
final class PgmqStyle implements QueueSystem {

	private static final String TABLE = """
			CREATE TABLE IF NOT EXISTS bench.q (
				msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
				read_ct integer NOT NULL DEFAULT 0,
				enqueued_at timestamptz NOT NULL DEFAULT now(),
				vt timestamptz NOT NULL,
				message jsonb
			);
			CREATE INDEX IF NOT EXISTS q_vt_idx ON bench.q (vt ASC)""";

	private static final String SEND = "INSERT INTO bench.q (vt, message)"
			+ " SELECT clock_timestamp(), unnest(?::jsonb[]) RETURNING msg_id";

	private static final String READ = """
			WITH cte AS (
				SELECT msg_id FROM bench.q WHERE vt <= clock_timestamp()
				ORDER BY msg_id ASC LIMIT ? FOR UPDATE SKIP LOCKED
			)
			UPDATE bench.q m SET vt = clock_timestamp() + interval '30 s', read_ct = read_ct + 1
			FROM cte WHERE m.msg_id = cte.msg_id
			RETURNING m.msg_id, m.read_ct, m.enqueued_at, m.vt, m.message""";

	private static final String DELETE = "DELETE FROM bench.q WHERE msg_id = ANY (?) RETURNING msg_id";

	private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

	private final Samples claims = new Samples();

	private Mode mode = Mode.SEND;

	private @Nullable HikariDataSource pool;

	@Override
	public String name() {
		return "pgmq";
	}

	@Override
	public String tuning() {
		return "pgmq's table and statements by plain JDBC, decoding by Jackson: 2 threads read and delete 500;"
				+ " 1 ms handlers: 3 threads, and a pool of 64 that handles; transactions: 10 threads read 20, insert"
				+ " and delete each; poll 10 ms";
	}

	@Override
	public double share() {
		return 0.5;
	}

	@Override
	public @Nullable String unsupported(Mode mode) {
		return (mode == Mode.IDLE) ? "has no client of its own, so polling would be our choice" : null;
	}

	@Override
	public void open(String url, Mode mode) throws SQLException {
		this.mode = mode;
		this.pool = BenchmarkDatabase.pool(url, threads() + 10);
		try (Connection connection = this.pool.getConnection(); Statement statement = connection.createStatement()) {
			statement.execute(TABLE);
		}
	}

	private int threads() {
		return switch (this.mode) {
			case TRANSACTIONAL -> 10;
			case WAITING -> 3;
			default -> 2;
		};
	}

	private int limit() {
		return (this.mode == Mode.TRANSACTIONAL) ? 20 : 500;
	}

	@Override
	public void send(BenchmarkMessage message) throws SQLException {
		sendAll(List.of(message));
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) throws SQLException {
		String[] json = messages.stream().map(MessageJson::write).toArray(String[]::new);
		try (Connection connection = connect(); PreparedStatement send = connection.prepareStatement(SEND)) {
			send.setArray(1, connection.createArrayOf("text", json));
			send.executeQuery().close();
		}
	}

	@Override
	public Consumption consume(Handler handler) {
		BatchHandling handling = new BatchHandling(this.mode, handler);
		Loops loops = Loops.start("pgmq", threads(), (ready, running) -> {
			try (Connection connection = connect()) {
				ready.run();
				loop(connection, handler, handling, running);
			}
		});
		return () -> {
			loops.close();
			handling.close();
		};
	}

	private void loop(Connection connection, Handler handler, BatchHandling handling, BooleanSupplier running)
			throws Exception {
		List<Long> ids = new ArrayList<>();
		List<BenchmarkMessage> messages = new ArrayList<>();
		try (PreparedStatement read = connection.prepareStatement(READ);
				PreparedStatement delete = connection.prepareStatement(DELETE);
				PreparedStatement effect = connection.prepareStatement(BenchmarkDatabase.INSERT_EFFECT)) {
			while (running.getAsBoolean()) {
				read(read, ids, messages);
				if (messages.isEmpty()) {
					LockSupport.parkNanos(POLL_NANOS);
				}
				else if (this.mode == Mode.TRANSACTIONAL) {
					transactions(ids, messages, handler, effect, delete);
				}
				else {
					handling.handle(List.copyOf(messages));
					delete(delete, ids.stream().mapToLong(Long::longValue).toArray());
				}
			}
		}
	}

	private void read(PreparedStatement read, List<Long> ids, List<BenchmarkMessage> messages) throws SQLException {
		ids.clear();
		messages.clear();
		long started = System.nanoTime();
		read.setInt(1, limit());
		try (ResultSet results = read.executeQuery()) {
			while (results.next()) {
				ids.add(results.getLong(1));
				messages.add(MessageJson.read(results.getString(5)));
			}
		}
		if (!messages.isEmpty()) {
			this.claims.add(System.nanoTime() - started);
		}
	}

	private void transactions(List<Long> ids, List<BenchmarkMessage> messages, Handler handler,
			PreparedStatement effect, PreparedStatement delete) throws SQLException {
		Connection connection = effect.getConnection();
		connection.setAutoCommit(false);
		for (int i = 0; i < messages.size(); i++) {
			effect.setLong(1, messages.get(i).id());
			effect.setString(2, messages.get(i).customer());
			effect.executeUpdate();
			handler.one(messages.get(i));
			delete(delete, ids.get(i));
			connection.commit();
		}
		connection.setAutoCommit(true);
	}

	private static void delete(PreparedStatement delete, long... ids) throws SQLException {
		delete.setObject(1, ids);
		delete.executeQuery().close();
	}

	private Connection connect() throws SQLException {
		if (this.pool == null) {
			throw new IllegalStateException("Not open");
		}
		return this.pool.getConnection();
	}

	@Override
	public Samples claims() {
		return this.claims;
	}

	@Override
	public void close() {
		if (this.pool != null) {
			this.pool.close();
		}
	}

}
