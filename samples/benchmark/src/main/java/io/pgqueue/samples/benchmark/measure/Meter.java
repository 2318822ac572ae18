package io.pgqueue.samples.benchmark.measure;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import io.pgqueue.samples.benchmark.server.BenchmarkServer;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * Measures what one system costs while it works: start, work, stop.
 */
public final class Meter {

	private final JdbcClient admin;

	private final BenchmarkDatabase database;

	private final @Nullable Long postmaster;

	private final boolean countsStatements;

	private final @Nullable Profile profile;

	private Reading before = Reading.NONE;

	/**
	 * Creates a meter.
	 * @param server the server
	 * @param database the system's database
	 * @param profile where to write profiles, or null for none
	 */
	public Meter(BenchmarkServer server, BenchmarkDatabase database, @Nullable Profile profile) {
		this.admin = server.admin();
		this.database = database;
		this.postmaster = server.postmaster();
		this.countsStatements = this.admin
			.sql("SELECT count(*) > 0 FROM pg_extension WHERE extname = 'pg_stat_statements'")
			.query(Boolean.class)
			.single();
		this.profile = profile;
	}

	/**
	 * Begins a measurement.
	 */
	public void start() {
		if (this.countsStatements) {
			this.admin.sql("SELECT 1 FROM pg_stat_statements_reset()").query().listOfRows();
		}
		if (this.profile != null) {
			this.profile.start();
		}
		this.before = read();
	}

	/**
	 * Ends a measurement.
	 * @param messages how many messages it was about; with 0 the costs are per minute
	 * @return the costs
	 */
	public Figures stop(long messages) {
		Reading after = read();
		if (this.profile != null) {
			this.profile.stop();
			writeStatements(this.profile.statements());
		}
		Figures figures = (messages > 0) ? perMessage(after, messages) : perMinute(after);
		System.gc();
		long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
		return figures.set(Metric.HEAP, heap / 1048576.0).set(Metric.DEAD_ROWS, this.database.deadRows());
	}

	private Figures perMessage(Reading after, double messages) {
		Figures figures = new Figures().set(Metric.MESSAGES, messages);
		if (this.postmaster != null) {
			figures.set(Metric.SERVER_CPU, (after.serverSeconds - this.before.serverSeconds) * 1e6 / messages);
		}
		figures.set(Metric.CLIENT_CPU, (after.clientSeconds - this.before.clientSeconds) * 1e6 / messages);
		double total = after.machine[1] - this.before.machine[1];
		if (total > 0) {
			double own = after.clientSeconds - this.before.clientSeconds + after.serverSeconds
					- this.before.serverSeconds;
			double busy = after.machine[0] - this.before.machine[0];
			figures.set(Metric.OTHERS, Math.max(0, 100 * (busy - own) / total));
		}
		figures.set(Metric.WAL, (after.wal - this.before.wal) / messages);
		if (this.countsStatements) {
			figures.set(Metric.STATEMENTS, (after.statements - this.before.statements) / messages);
		}
		return figures;
	}

	private Figures perMinute(Reading after) {
		double minutes = (after.nanos - this.before.nanos) / 60e9;
		Figures figures = new Figures().set(Metric.XIDS_PER_MINUTE, (after.xids - this.before.xids) / minutes);
		if (this.countsStatements) {
			figures.set(Metric.STATEMENTS_PER_MINUTE, (after.statements - this.before.statements) / minutes);
		}
		return figures;
	}

	private Reading read() {
		double server = (this.postmaster != null) ? ProcessTimes.family(this.postmaster) : 0;
		double client = ProcessTimes.own(ProcessHandle.current().pid());
		long wal = this.admin.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").query(Long.class).single();
		long xids = this.admin.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
			.query(Long.class)
			.single();
		return new Reading(System.nanoTime(), ProcessTimes.machine(), server, client, wal, xids, statements());
	}

	private long statements() {
		if (!this.countsStatements) {
			return 0;
		}
		return this.admin.sql("""
				SELECT coalesce(sum(s.calls), 0)::bigint FROM pg_stat_statements s
				WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = ?)
				""").param(this.database.name()).query(Long.class).single();
	}

	/**
	 * Writes the statements that took the server's time.
	 */
	private void writeStatements(Path file) {
		if (!this.countsStatements) {
			return;
		}
		StringBuilder text = new StringBuilder();
		this.admin
			.sql("""
					SELECT format('%s ms, %s calls, %s us each, %s rows, %s WAL bytes, %s blocks hit, %s read: %s',
						round(s.total_exec_time::numeric, 1), s.calls, round((1000 * s.total_exec_time / s.calls)::numeric, 1),
						s.rows, s.wal_bytes, s.shared_blks_hit, s.shared_blks_read, regexp_replace(s.query, '\\s+', ' ', 'g'))
					FROM pg_stat_statements s
					WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = ?)
					ORDER BY s.total_exec_time DESC LIMIT 20
					""")
			.param(this.database.name())
			.query(String.class)
			.list()
			.forEach((line) -> text.append(line).append('\n'));
		try {
			Files.writeString(file, text);
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
	}

	/**
	 * All counters at one moment.
	 *
	 * @param nanos monotonic time
	 * @param machine CPU time of the machine, busy and in total
	 * @param serverSeconds CPU time of the server
	 * @param clientSeconds CPU time of this JVM
	 * @param wal position in the write-ahead log
	 * @param xids next transaction id
	 * @param statements statements since the start
	 */
	private record Reading(long nanos, double[] machine, double serverSeconds, double clientSeconds, long wal,
			long xids, long statements) {

		static final Reading NONE = new Reading(0, new double[2], 0, 0, 0, 0, 0);

	}

}
