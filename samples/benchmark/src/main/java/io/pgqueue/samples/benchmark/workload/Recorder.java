package io.pgqueue.samples.benchmark.workload;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.system.BenchmarkMessage;
import io.pgqueue.samples.benchmark.system.Handler;

/**
 * Counts the messages of one step, each once, and notes when they were handled.
 */
final class Recorder implements Handler {

	private final int first;

	private volatile int wanted;

	private final boolean[] seen;

	private final long[] handledAt;

	private final AtomicInteger count = new AtomicInteger();

	private final AtomicInteger strays = new AtomicInteger();

	private final CountDownLatch done = new CountDownLatch(1);

	private final Semaphore handled = new Semaphore(0);

	private final AtomicLong startedAt = new AtomicLong();

	private volatile long endedAt;

	/**
	 * Creates a recorder.
	 * @param first number of the first message
	 * @param count how many messages there are
	 * @param wanted how many are waited for
	 * @param timed whether the time of each message is kept
	 */
	Recorder(int first, int count, int wanted, boolean timed) {
		this.first = first;
		this.wanted = wanted;
		this.seen = new boolean[count];
		this.handledAt = new long[timed ? count : 0];
	}

	/**
	 * Starts the clock, unless a message was handled before.
	 */
	void start() {
		this.startedAt.compareAndSet(0, System.nanoTime());
	}

	@Override
	public void one(BenchmarkMessage message) {
		int index = message.number() - this.first;
		if (index < 0 || index >= this.seen.length || this.seen[index]) {
			this.strays.incrementAndGet();
			return;
		}
		this.seen[index] = true;
		if (this.startedAt.get() == 0) {
			start();
		}
		if (this.handledAt.length > 0) {
			this.handledAt[index] = System.nanoTime();
		}
		if (this.count.incrementAndGet() == this.wanted) {
			this.endedAt = System.nanoTime();
			this.done.countDown();
		}
		this.handled.release();
	}

	/**
	 * Waits until as many messages were handled as were wanted, or the limit is over.
	 * @return whether they all were
	 */
	boolean await(Duration limit) throws InterruptedException {
		if (this.done.await(limit.toMillis(), TimeUnit.MILLISECONDS)) {
			return true;
		}
		this.endedAt = System.nanoTime();
		return false;
	}

	/**
	 * Changes how many messages are waited for.
	 */
	void want(int messages) {
		this.wanted = messages;
		if (this.count.get() >= messages) {
			this.endedAt = System.nanoTime();
			this.done.countDown();
		}
	}

	/**
	 * Waits for further messages beyond those that were waited for in this way before.
	 */
	boolean awaitNext(int messages, Duration limit) throws InterruptedException {
		return this.handled.tryAcquire(messages, limit.toMillis(), TimeUnit.MILLISECONDS);
	}

	int count() {
		return Math.min(this.count.get(), this.wanted);
	}

	/**
	 * Returns messages per second: from when the consumer was ready, or the first one if
	 * that was earlier, to the last one.
	 */
	double rate() {
		return count() / seconds();
	}

	double seconds() {
		return (this.endedAt - this.startedAt.get()) / 1e9;
	}

	/**
	 * Returns the time from commit to handler, where that is known for both. The first
	 * ones warm up and do not count.
	 * @param committedAt when the messages were committed, by index
	 */
	Samples latencies(long[] committedAt) {
		Samples latencies = new Samples();
		for (int i = this.count.get() / 10; i < this.handledAt.length; i++) {
			if (this.handledAt[i] != 0 && committedAt[i] != 0) {
				latencies.add(Math.max(0, this.handledAt[i] - committedAt[i]));
			}
		}
		return latencies;
	}

	/**
	 * Adds what went wrong.
	 */
	Figures annotate(Figures figures) {
		if (this.strays.get() > 0) {
			figures.note(this.strays.get() + " messages handled twice");
		}
		if (this.count.get() < this.wanted) {
			figures.note("stopped by the time limit after " + this.count.get() + " of " + this.wanted + " messages");
		}
		return figures;
	}

}
