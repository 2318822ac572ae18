package io.pgqueue.samples.benchmark.workload;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.system.Mode;
import io.pgqueue.samples.benchmark.system.QueueSystem.Consumption;
import io.pgqueue.samples.benchmark.system.Systems;

/**
 * Threads that commit as fast as they can, with notifications and without.
 */
final class Senders implements Workload {

	@Override
	public String name() {
		return "send-" + Mode.SENDING_THREADS;
	}

	@Override
	public String title() {
		return Mode.SENDING_THREADS + " threads send single messages, each in a transaction with one insert, while"
				+ " another connection listens and nobody handles; latency is that of the transaction";
	}

	@Override
	public Mode mode() {
		return Mode.SENDERS;
	}

	/**
	 * It is about what notifications cost those who send.
	 */
	@Override
	public boolean compares(String system) {
		return system.equals(Systems.OURS) || system.equals(Systems.POLLING);
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		// Long, because each connection pays for its first notification.
		int messages = Math.max(100, cell.sizes().messages() / 2);
		Samples calls = new Samples();
		Consumption listening = cell.system().consume((message) -> {
		});
		try (listening) {
			cell.sendOneByOne(cell.sizes().warm() / 2, Mode.SENDING_THREADS, new Samples());
			cell.meter().start();
			long started = System.nanoTime();
			int sent = cell.sendOneByOne(messages, Mode.SENDING_THREADS, calls);
			double seconds = (System.nanoTime() - started) / 1e9;
			return cell.meter().stop(sent).set(Metric.RATE, sent / seconds).latency(calls);
		}
	}

}
