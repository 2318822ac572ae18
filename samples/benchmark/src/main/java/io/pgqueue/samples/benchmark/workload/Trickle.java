package io.pgqueue.samples.benchmark.workload;

import java.util.function.UnaryOperator;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * One message at a time, with many behind.
 */
final class Trickle implements Workload {

	private static final int AHEAD = 50_000;

	/**
	 * Fewer do not make a median.
	 */
	private static final int ENOUGH = 10;

	@Override
	public String name() {
		return "trickle";
	}

	@Override
	public String title() {
		return "one message at a time, so one per claim, after many went through; ratio of the median to that before";
	}

	@Override
	public Mode mode() {
		return Mode.SINGLE;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		int messages = cell.sizes().paced();
		Samples before = cell.oneByOne(messages);
		Recorder behind = cell.pump(cell.sizes().log(), Cell.BATCH, AHEAD, UnaryOperator.identity());
		cell.meter().start();
		Samples after = cell.oneByOne(messages);
		Figures figures = cell.meter().stop(after.size()).latency(after).claims(cell.system().claims());
		if (Math.min(before.size(), after.size()) >= ENOUGH) {
			figures.set(Metric.RATIO, before.millis(0.5) / after.millis(0.5));
		}
		return figures.note(String.format("%,d messages behind", behind.count()));
	}

}
