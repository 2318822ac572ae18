package io.pgqueue.samples.benchmark.workload;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.system.BenchmarkMessage;
import io.pgqueue.samples.benchmark.system.Mode;
import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.system.QueueSystem.Consumption;

/**
 * Messages at a fixed rate that is far below what the system can do.
 */
final class Latency implements Workload {

	private static final long INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

	private final boolean otherProcess;

	Latency(boolean otherProcess) {
		this.otherProcess = otherProcess;
	}

	@Override
	public String name() {
		return this.otherProcess ? "latency-other-jvm" : "latency-same-jvm";
	}

	@Override
	public String title() {
		return "100 messages a second from " + (this.otherProcess ? "another" : "the same")
				+ " JVM; latency is from commit (send has returned) to handler";
	}

	@Override
	public Mode mode() {
		return this.otherProcess ? Mode.REMOTE : Mode.SINGLE;
	}

	@Override
	public boolean compares(String system) {
		return true;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		int messages = cell.sizes().paced();
		int first = cell.take(messages);
		Recorder recorder = new Recorder(first, messages, messages, true);
		long[] committedAt;
		Consumption consumption = cell.system().consume(recorder);
		try (consumption) {
			if (this.otherProcess) {
				try (RemoteSender sender = RemoteSender.start(cell.system(), cell.database(), first, messages)) {
					cell.meter().start();
					committedAt = sender.send();
				}
			}
			else {
				cell.meter().start();
				committedAt = send(cell.system(), first, messages);
			}
			recorder.await(cell.sizes().limit());
		}
		Figures figures = cell.meter().stop(messages).claims(cell.system().claims());
		return recorder.annotate(figures.latency(recorder.latencies(committedAt)));
	}

	/**
	 * Sends at the fixed rate.
	 * @return when each message was committed
	 */
	static long[] send(QueueSystem system, int first, int messages) throws Exception {
		long[] committedAt = new long[messages];
		long started = System.nanoTime();
		for (int i = 0; i < messages; i++) {
			long due = started + i * INTERVAL_NANOS;
			while (System.nanoTime() < due) {
				LockSupport.parkNanos(due - System.nanoTime());
			}
			system.send(BenchmarkMessage.numbered(first + i));
			committedAt[i] = System.nanoTime();
		}
		return committedAt;
	}

}
