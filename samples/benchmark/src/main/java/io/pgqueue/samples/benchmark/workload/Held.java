package io.pgqueue.samples.benchmark.workload;

import java.sql.Connection;
import java.sql.Statement;
import java.util.function.UnaryOperator;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * Drains beside a forgotten transaction that keeps vacuum from its work.
 */
final class Held implements Workload {

	private static final int AHEAD = 50_000;

	private final String name;

	private final Mode mode;

	Held(String name, Mode mode) {
		this.name = name;
		this.mode = mode;
	}

	@Override
	public String name() {
		return this.name;
	}

	@Override
	public String title() {
		return "a drain, then an idle REPEATABLE READ transaction begins, many messages go through, and a drain"
				+ " again, which is the one that is shown; ratio of the two";
	}

	@Override
	public Mode mode() {
		return this.mode;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		Recorder clean = cell.drain(cell.fill(cell.sizes().messages()));
		try (Connection holder = cell.database().connect(); Statement statement = holder.createStatement()) {
			statement.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
			statement.execute("SELECT count(*) FROM bench.effect");
			Recorder before = cell.pump(cell.sizes().log(), Cell.BATCH, AHEAD, UnaryOperator.identity());
			Figures figures = cell.measuredDrain(cell.fill(cell.sizes().messages()));
			Double rate = figures.get(Metric.RATE);
			if (rate != null) {
				figures.set(Metric.RATIO, rate / clean.rate());
			}
			statement.execute("ROLLBACK");
			return figures.note(String.format("%,d messages behind", before.count()));
		}
	}

}
