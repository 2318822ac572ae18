package io.pgqueue.samples.benchmark.workload;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * A drain, and single messages, beside many other transactions.
 */
final class Noise implements Workload {

	private static final int TRANSACTIONS = 150;

	@Override
	public String name() {
		return "noise";
	}

	@Override
	public String title() {
		return "a drain, then again with " + TRANSACTIONS + " unrelated transactions in flight, 100 a second replaced;"
				+ " ratio of the two; latency is of single messages beside them";
	}

	@Override
	public Mode mode() {
		return Mode.SINGLE;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		Recorder clean = cell.drain(cell.fill(cell.sizes().messages()));
		try (Others others = new Others(cell.database())) {
			Figures figures = cell.measuredDrain(cell.fill(cell.sizes().messages()));
			Samples single = cell.oneByOne(cell.sizes().paced());
			others.requireRunning();
			Double rate = figures.get(Metric.RATE);
			if (rate != null) {
				figures.set(Metric.RATIO, rate / clean.rate());
			}
			return figures.latency(single).claims(cell.system().claims());
		}
	}

	/**
	 * The other transactions, and the thread that replaces them.
	 */
	private static final class Others implements AutoCloseable {

		private final Deque<Connection> open = new ArrayDeque<>();

		private final Thread thread = new Thread(this::replace, "noise");

		private volatile boolean running = true;

		Others(BenchmarkDatabase database) throws SQLException {
			for (int i = 0; i < TRANSACTIONS; i++) {
				Connection connection = database.connect();
				connection.setAutoCommit(false);
				begin(connection);
				this.open.add(connection);
			}
			this.thread.start();
		}

		private static void begin(Connection connection) throws SQLException {
			try (Statement statement = connection.createStatement()) {
				statement.execute("SELECT pg_current_xact_id()");
			}
		}

		private void replace() {
			try {
				while (this.running) {
					Connection oldest = this.open.remove();
					oldest.commit();
					begin(oldest);
					this.open.add(oldest);
					LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
				}
			}
			catch (SQLException ex) {
				this.running = false;
			}
		}

		void requireRunning() {
			if (!this.running) {
				throw new IllegalStateException("The other transactions have failed");
			}
		}

		@Override
		public void close() throws SQLException, InterruptedException {
			this.running = false;
			this.thread.join();
			for (Connection connection : this.open) {
				connection.close();
			}
		}

	}

}
