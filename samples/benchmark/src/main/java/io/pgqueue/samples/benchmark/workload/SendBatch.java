package io.pgqueue.samples.benchmark.workload;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * Threads send batches.
 */
final class SendBatch implements Workload {

	private final int threads;

	SendBatch(int threads) {
		this.threads = threads;
	}

	@Override
	public String name() {
		return "send-batch-" + this.threads;
	}

	@Override
	public String title() {
		return this.threads + " thread(s) send batches of " + Cell.BATCH + ", each one transaction";
	}

	@Override
	public Mode mode() {
		return Mode.SEND;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		cell.meter().start();
		long started = System.nanoTime();
		int messages = cell.fill(cell.sizes().messages(), this.threads, cell.sizes().limit());
		double seconds = (System.nanoTime() - started) / 1e9;
		return cell.meter().stop(messages).set(Metric.RATE, messages / seconds);
	}

}
