package io.pgqueue.samples.benchmark.workload;

import java.sql.Connection;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * Drains beside a forgotten transaction that keeps vacuum from its work.
 */
final class Held implements Workload {

	private static final int AHEAD = 50_000;

	/**
	 * A fast system's drain lasts a second, in which a busy machine does anything.
	 */
	private static final int DRAINS = 5;

	private static final long LONG_NANOS = TimeUnit.SECONDS.toNanos(5);

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
		return "drains, then an idle REPEATABLE READ transaction begins, many messages go through, and drains again,"
				+ " whose median is shown; then it ends, VACUUM, and the drains of before once more; ratio of the medians"
				+ " with and without";
	}

	@Override
	public Mode mode() {
		return this.mode;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		List<Figures> clean = new ArrayList<>(drains(cell));
		Figures held;
		try (Connection holder = cell.database().connect(); Statement statement = holder.createStatement()) {
			statement.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
			statement.execute("SELECT count(*) FROM bench.effect");
			Recorder before = cell.pump(cell.sizes().log(), Cell.BATCH, AHEAD, UnaryOperator.identity());
			held = median(drains(cell)).note(String.format("%,d messages behind", before.count()));
			statement.execute("ROLLBACK");
			statement.execute("VACUUM");
		}
		// On both sides, because machines get faster and slower by the minute.
		clean.addAll(drains(cell));
		if (rate(median(clean)) > 0) {
			held.set(Metric.RATIO, rate(held) / rate(median(clean)));
		}
		return held;
	}

	/**
	 * Drains as often as makes a median, or once if that takes its time.
	 */
	private static List<Figures> drains(Cell cell) throws Exception {
		List<Figures> drains = new ArrayList<>();
		long begun = System.nanoTime();
		do {
			drains.add(cell.measuredDrain(cell.fill(cell.sizes().messages())));
		}
		while (drains.size() < DRAINS && System.nanoTime() - begun < drains.size() * LONG_NANOS);
		return drains;
	}

	private static Figures median(List<Figures> drains) {
		List<Figures> sorted = drains.stream().sorted(Comparator.comparingDouble(Held::rate)).toList();
		return sorted.get(sorted.size() / 2);
	}

	private static double rate(Figures figures) {
		Double rate = figures.get(Metric.RATE);
		return (rate != null) ? rate : 0;
	}

}
