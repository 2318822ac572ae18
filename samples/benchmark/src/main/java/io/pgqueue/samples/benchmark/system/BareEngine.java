package io.pgqueue.samples.benchmark.system;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.engine.EngineFunctions;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import io.pgqueue.schema.SchemaMigrator;
import org.jspecify.annotations.Nullable;

/**
 * The library's SQL functions driven by plain JDBC, with decoding: what the Java part of
 * the library costs is the difference.
 */
final class BareEngine implements QueueSystem {

	private static final String CLAIM = "SELECT * FROM pgqueue.claim(?, ?, ?, ?, ?, ?, ?)";

	private static final String SETTLE = "SELECT * FROM pgqueue.settle_alone(?, ?, '{}', '{}', '{}', '{}')";

	private static final String SEND = "SELECT * FROM pgqueue.send_batch('bench', ?, ?)";

	private static final long BYTES = 16L * 1024 * 1024;

	private final AtomicLong leases = new AtomicLong();

	private final Semaphore sent = new Semaphore(0);

	private final Samples claims = new Samples();

	private String url = "";

	private Mode mode = Mode.SEND;

	private @Nullable HikariDataSource pool;

	private long worker;

	private int queue;

	private int subscription;

	@Override
	public String name() {
		return "engine";
	}

	@Override
	public String tuning() {
		return "the library's SQL functions by plain JDBC: 2 threads claim up to 500, decode by Jackson and settle;"
				+ " 1 ms handlers: 3 threads, and a pool of 64 that handles; transactions: 10 threads claim 20; woken"
				+ " by sends of the same JVM";
	}

	@Override
	public double share() {
		return 1;
	}

	@Override
	public @Nullable String unsupported(Mode mode) {
		return switch (mode) {
			case REMOTE, IDLE -> "waiting for messages is the library's part";
			default -> null;
		};
	}

	@Override
	public void open(String url, Mode mode) throws SQLException {
		this.url = url;
		this.mode = mode;
		this.pool = BenchmarkDatabase.pool(url, 10);
		new SchemaMigrator(this.pool, "pgqueue", EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION).migrate();
		try (Connection connection = this.pool.getConnection()) {
			try (PreparedStatement declare = connection
				.prepareStatement("SELECT * FROM pgqueue.declare_queue('bench')");
					ResultSet results = declare.executeQuery()) {
				results.next();
				this.queue = results.getInt(1);
				this.subscription = results.getInt(2);
			}
			try (PreparedStatement register = connection
				.prepareStatement("SELECT pgqueue.register_worker('benchmark')");
					ResultSet results = register.executeQuery()) {
				results.next();
				this.worker = results.getLong(1);
			}
		}
	}

	@Override
	public void send(BenchmarkMessage message) throws SQLException {
		sendAll(List.of(message));
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) throws SQLException {
		if (this.pool == null) {
			throw new IllegalStateException("Not open");
		}
		String[] json = messages.stream().map(MessageJson::write).toArray(String[]::new);
		try (Connection connection = this.pool.getConnection();
				PreparedStatement send = connection.prepareStatement(SEND)) {
			send.setArray(1, connection.createArrayOf("text", json));
			send.setArray(2, connection.createArrayOf("text", new String[json.length]));
			try (ResultSet results = send.executeQuery()) {
				while (results.next()) {
					results.getLong(1);
				}
			}
		}
		this.sent.release();
	}

	@Override
	public Consumption consume(Handler handler) {
		BatchHandling handling = new BatchHandling(this.mode, handler);
		Loops loops = Loops.start("engine", threads(), (ready, running) -> {
			try (Connection connection = DriverManager.getConnection(this.url)) {
				ready.run();
				loop(connection, handler, handling, running);
			}
		});
		return () -> {
			loops.close();
			handling.close();
		};
	}

	private int threads() {
		return switch (this.mode) {
			case TRANSACTIONAL -> 10;
			case WAITING -> 3;
			default -> 2;
		};
	}

	private void loop(Connection connection, Handler handler, BatchHandling handling, BooleanSupplier running)
			throws Exception {
		int limit = (this.mode == Mode.TRANSACTIONAL) ? 20 : 500;
		OffsetDateTime dueFrom = OffsetDateTime.MIN;
		try (PreparedStatement claim = connection.prepareStatement(CLAIM);
				PreparedStatement settle = connection.prepareStatement(SETTLE);
				PreparedStatement effect = connection.prepareStatement(BenchmarkDatabase.INSERT_EFFECT)) {
			while (running.getAsBoolean()) {
				long lease = this.leases.incrementAndGet();
				Claimed claimed = claim(claim, lease, limit, dueFrom);
				dueFrom = claimed.dueFrom();
				if (!claimed.messages().isEmpty()) {
					if (this.mode == Mode.TRANSACTIONAL) {
						transactions(claimed.messages(), handler, effect);
					}
					else {
						handling.handle(claimed.messages());
					}
					settle.setLong(1, this.worker);
					settle.setObject(2, new long[] { lease });
					settle.executeQuery().close();
				}
				else if (claimed.busy()) {
					Thread.yield();
				}
				else {
					// As soon as something is sent, but often enough to see the end.
					this.sent.tryAcquire(20, TimeUnit.MILLISECONDS);
				}
			}
		}
	}

	private Claimed claim(PreparedStatement claim, long lease, int limit, OffsetDateTime dueFrom) throws SQLException {
		long started = System.nanoTime();
		claim.setLong(1, this.worker);
		claim.setLong(2, lease);
		claim.setInt(3, this.queue);
		claim.setInt(4, this.subscription);
		claim.setInt(5, limit);
		claim.setLong(6, BYTES);
		claim.setObject(7, dueFrom);
		List<BenchmarkMessage> messages = new ArrayList<>(limit);
		try (ResultSet results = claim.executeQuery()) {
			while (results.next()) {
				if (results.getObject(3) == null) {
					if (!messages.isEmpty()) {
						this.claims.add(System.nanoTime() - started);
					}
					return new Claimed(messages, "b".equals(results.getString(1)),
							results.getObject(9, OffsetDateTime.class));
				}
				messages.add(MessageJson.read(results.getString(7)));
			}
		}
		throw new IllegalStateException("A claim returned no last row");
	}

	private static void transactions(List<BenchmarkMessage> messages, Handler handler, PreparedStatement effect)
			throws SQLException {
		Connection connection = effect.getConnection();
		connection.setAutoCommit(false);
		for (BenchmarkMessage message : messages) {
			effect.setLong(1, message.id());
			effect.setString(2, message.customer());
			effect.executeUpdate();
			handler.one(message);
			connection.commit();
		}
		connection.setAutoCommit(true);
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

	/**
	 * What one claim returned.
	 *
	 * @param messages the messages, decoded
	 * @param busy whether another claim was under way
	 * @param dueFrom for the next claim
	 */
	private record Claimed(List<BenchmarkMessage> messages, boolean busy, OffsetDateTime dueFrom) {
	}

}
