package io.pgqueue.samples.benchmark.workload;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * Producers and consumer together.
 */
final class Steady implements Workload {

	private static final int BATCH = 200;

	private static final int AHEAD = 20_000;

	private static final long HANDLING_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

	@Override
	public String name() {
		return "steady";
	}

	@Override
	public String title() {
		return "2 threads send batches of " + BATCH + ", at most " + AHEAD + " ahead, while " + Mode.HANDLERS
				+ " handlers at a time wait 1 ms each";
	}

	@Override
	public Mode mode() {
		return Mode.WAITING;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		cell.meter().start();
		Recorder recorder = cell.pump(cell.sizes().messages(), BATCH, AHEAD, (counting) -> (message) -> {
			// Stands for a call of something else, which takes its time but no CPU.
			LockSupport.parkNanos(HANDLING_NANOS);
			counting.one(message);
		});
		Figures figures = cell.meter().stop(recorder.count());
		figures.set(Metric.RATE, recorder.rate()).claims(cell.system().claims());
		return recorder.annotate(figures);
	}

}
