package io.pgqueue.samples.benchmark.workload;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * A backlog is handled by a handler that does nothing, or one insert in a transaction.
 */
final class Drain implements Workload {

	private final String name;

	private final String title;

	private final Mode mode;

	private final double share;

	Drain(String name, String title, Mode mode, double share) {
		this.name = name;
		this.title = title;
		this.mode = mode;
		this.share = share;
	}

	@Override
	public String name() {
		return this.name;
	}

	@Override
	public String title() {
		return this.title;
	}

	@Override
	public Mode mode() {
		return this.mode;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		return cell.measuredDrain(cell.fill(cell.sizes().times(this.share).messages()));
	}

}
