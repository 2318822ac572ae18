package io.pgqueue.samples.benchmark.workload;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Meter;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.measure.Samples;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import io.pgqueue.samples.benchmark.system.BenchmarkMessage;
import io.pgqueue.samples.benchmark.system.Handler;
import io.pgqueue.samples.benchmark.system.Mode;
import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.system.QueueSystem.Consumption;

/**
 * One run of one workload on one system: the steps that workloads are made of. Messages
 * are numbered in the order of their sending.
 */
public final class Cell {

	/**
	 * Messages in a batch, which is one transaction.
	 */
	static final int BATCH = 1_000;

	/**
	 * Where each message takes longer than this, fewer have to do.
	 */
	private static final long ONE_BY_ONE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

	private final QueueSystem system;

	private final Mode mode;

	private final BenchmarkDatabase database;

	private final Meter meter;

	private final Sizes sizes;

	private int sent;

	private int handled;

	/**
	 * Creates a cell.
	 * @param system the system, open
	 * @param mode the mode it is open in
	 * @param database its database
	 * @param meter measures it
	 * @param sizes how much of everything this system gets
	 */
	public Cell(QueueSystem system, Mode mode, BenchmarkDatabase database, Meter meter, Sizes sizes) {
		this.system = system;
		this.mode = mode;
		this.database = database;
		this.meter = meter;
		this.sizes = sizes;
	}

	QueueSystem system() {
		return this.system;
	}

	BenchmarkDatabase database() {
		return this.database;
	}

	Meter meter() {
		return this.meter;
	}

	Sizes sizes() {
		return this.sizes;
	}

	/**
	 * Sends messages in batches.
	 * @param messages how many
	 * @param threads how many threads send
	 * @param limit how long they may take
	 * @return how many were sent by then
	 */
	int fill(int messages, int threads, Duration limit) throws Exception {
		int first = this.sent;
		long deadline = System.nanoTime() + limit.toNanos();
		AtomicInteger next = new AtomicInteger();
		parallel(threads, () -> {
			int from = next.getAndAdd(BATCH);
			while (from < messages) {
				this.system.sendAll(numbered(first + from, Math.min(BATCH, messages - from)));
				from = (System.nanoTime() < deadline) ? next.getAndAdd(BATCH) : messages;
			}
			return null;
		});
		int filled = Math.min(messages, next.get());
		this.sent += filled;
		return filled;
	}

	/**
	 * Sends messages one by one.
	 * @param messages how many
	 * @param threads how many threads send
	 * @param calls gets the time of each call
	 * @return how many were sent within the limit
	 */
	int sendOneByOne(int messages, int threads, Samples calls) throws Exception {
		int first = this.sent;
		long deadline = System.nanoTime() + this.sizes.limit().toNanos();
		AtomicInteger next = new AtomicInteger();
		parallel(threads, () -> {
			int number = next.getAndIncrement();
			while (number < messages) {
				long before = System.nanoTime();
				this.system.send(BenchmarkMessage.numbered(first + number));
				long after = System.nanoTime();
				calls.add(after - before);
				number = (after < deadline) ? next.getAndIncrement() : messages;
			}
			return null;
		});
		this.sent += messages;
		return calls.size();
	}

	int fill(int messages) throws Exception {
		return fill(messages, 2, this.sizes.limit());
	}

	/**
	 * Sends and handles a few messages, so that connections and their plans are there.
	 */
	void warmUp() throws Exception {
		if (this.sizes.warm() > 0) {
			int filled = fill(this.sizes.warm());
			if (this.mode != Mode.SEND) {
				drain(filled);
			}
		}
	}

	/**
	 * Handles what was sent.
	 * @param wanted how many messages to wait for; what is then left is not used again
	 */
	Recorder drain(int wanted) throws Exception {
		Recorder recorder = new Recorder(this.handled, this.sent - this.handled, wanted, false);
		this.system.claims().clear();
		Consumption consumption = this.system.consume(recorder);
		try (consumption) {
			recorder.start();
			recorder.await(this.sizes.limit());
		}
		this.handled = this.sent;
		return recorder;
	}

	/**
	 * Measures a drain.
	 * @param wanted how many messages to wait for
	 */
	Figures measuredDrain(int wanted) throws Exception {
		this.meter.start();
		Recorder recorder = drain(wanted);
		Figures figures = this.meter.stop(recorder.count());
		figures.set(Metric.RATE, recorder.rate()).claims(this.system.claims());
		return recorder.annotate(figures);
	}

	/**
	 * Sends and handles at the same time, keeping a bounded number of messages between.
	 * @param messages how many
	 * @param batch messages per transaction
	 * @param ahead most messages sent but not handled
	 * @param handler makes what handles out of what counts
	 */
	Recorder pump(int messages, int batch, int ahead, UnaryOperator<Handler> handler) throws Exception {
		int first = this.sent;
		long deadline = System.nanoTime() + this.sizes.limit().toNanos();
		AtomicInteger next = new AtomicInteger();
		AtomicInteger sentNow = new AtomicInteger();
		Recorder recorder = new Recorder(first, messages, messages, false);
		this.system.claims().clear();
		Consumption consumption = this.system.consume(handler.apply(recorder));
		try (consumption) {
			recorder.start();
			parallel(2, () -> {
				int from = next.getAndAdd(batch);
				while (from < messages && System.nanoTime() < deadline) {
					int size = Math.min(batch, messages - from);
					if (from < ahead || recorder.awaitNext(size, this.sizes.limit())) {
						this.system.sendAll(numbered(first + from, size));
						sentNow.addAndGet(size);
					}
					from = next.getAndAdd(batch);
				}
				return null;
			});
			recorder.want(sentNow.get());
			recorder.await(this.sizes.limit());
		}
		this.sent += messages;
		this.handled = this.sent;
		return recorder;
	}

	/**
	 * Sends one message after the other, each when the one before was handled.
	 * @param messages how many; the first tenth does not count
	 */
	Samples oneByOne(int messages) throws Exception {
		int first = this.sent;
		long deadline = System.nanoTime() + messages * ONE_BY_ONE_NANOS;
		long[] committedAt = new long[messages];
		Recorder recorder = new Recorder(first, messages, messages, true);
		Consumption consumption = this.system.consume(recorder);
		try (consumption) {
			for (int i = 0; i < messages && System.nanoTime() < deadline; i++) {
				if (i == messages / 10) {
					this.system.claims().clear();
				}
				this.system.send(BenchmarkMessage.numbered(first + i));
				committedAt[i] = System.nanoTime();
				if (!recorder.awaitNext(1, this.sizes.limit())) {
					throw new IllegalStateException("Message " + i + " was not handled within " + this.sizes.limit());
				}
			}
		}
		this.sent += messages;
		this.handled = this.sent;
		return recorder.latencies(committedAt);
	}

	/**
	 * Takes numbers for messages that are sent in another way.
	 * @return the first number
	 */
	int take(int messages) {
		int first = this.sent;
		this.sent += messages;
		this.handled = this.sent;
		return first;
	}

	private static List<BenchmarkMessage> numbered(int first, int count) {
		return IntStream.range(first, first + count).mapToObj(BenchmarkMessage::numbered).toList();
	}

	/**
	 * Does the same in several threads and waits for all.
	 */
	private static void parallel(int threads, Callable<Void> task) throws Exception {
		ExecutorService executor = Executors.newFixedThreadPool(threads);
		try {
			List<Future<Void>> running = new ArrayList<>();
			for (int i = 0; i < threads; i++) {
				running.add(executor.submit(task));
			}
			for (Future<Void> one : running) {
				one.get();
			}
		}
		catch (ExecutionException ex) {
			throw new IllegalStateException("A producer has failed", ex.getCause());
		}
		finally {
			executor.shutdown();
		}
	}

}
