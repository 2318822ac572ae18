package io.pgqueue.samples.benchmark.workload;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * A large backlog against a small one.
 */
final class Backlog implements Workload {

	/**
	 * How many times as long as any other step filling may take.
	 */
	private static final int FILL_LIMITS = 4;

	@Override
	public String name() {
		return "backlog";
	}

	@Override
	public String title() {
		return "a small backlog is drained several times, then as many messages out of a large one, which is what is"
				+ " shown; ratio of the two";
	}

	@Override
	public Mode mode() {
		return Mode.SINGLE;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		double seconds = 0;
		int drained = 0;
		// Small ones are over soon, so several make a figure.
		while (drained < cell.sizes().backlog() / 10) {
			Recorder recorder = cell.drain(cell.fill(cell.sizes().smallBacklog()));
			seconds += recorder.seconds();
			drained += recorder.count();
		}
		int large = cell.fill(cell.sizes().backlog(), 2, cell.sizes().limit().multipliedBy(FILL_LIMITS));
		Figures figures = cell.measuredDrain(Math.min(large, drained));
		Double rate = figures.get(Metric.RATE);
		if (rate != null) {
			figures.set(Metric.RATIO, rate / (drained / seconds));
		}
		return figures.note(String.format("backlog of %,d against %,d", large, cell.sizes().smallBacklog()));
	}

}
