package io.pgqueue.samples.benchmark.workload;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.system.BenchmarkMessage;
import io.pgqueue.samples.benchmark.system.Mode;

/**
 * One thread sends one message after the other, each with its own commit.
 */
final class SendOne implements Workload {

	@Override
	public String name() {
		return "send-one";
	}

	@Override
	public String title() {
		return "one thread sends single messages, each commits by itself; latency is that of the call";
	}

	@Override
	public Mode mode() {
		return Mode.SEND;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		cell.warmUp();
		int messages = Math.max(100, cell.sizes().messages() / 50);
		int first = cell.take(messages);
		Samples calls = new Samples();
		cell.meter().start();
		long started = System.nanoTime();
		for (int i = 0; i < messages; i++) {
			long before = System.nanoTime();
			cell.system().send(BenchmarkMessage.numbered(first + i));
			calls.add(System.nanoTime() - before);
		}
		double seconds = (System.nanoTime() - started) / 1e9;
		return cell.meter().stop(messages).set(Metric.RATE, messages / seconds).latency(calls);
	}

}
