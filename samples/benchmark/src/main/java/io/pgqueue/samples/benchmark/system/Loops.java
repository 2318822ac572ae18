package io.pgqueue.samples.benchmark.system;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;

import io.pgqueue.samples.benchmark.system.QueueSystem.Consumption;
import org.jspecify.annotations.Nullable;

/**
 * Threads that do the same until they are told to end.
 */
final class Loops implements Consumption {

	private final List<Thread> threads = new ArrayList<>();

	private final CountDownLatch ready;

	private volatile boolean running = true;

	private volatile @Nullable Throwable failure;

	private Loops(int count) {
		this.ready = new CountDownLatch(count);
	}

	/**
	 * Starts threads and returns when each of them has connected.
	 */
	static Loops start(String name, int count, Loop loop) {
		Loops loops = new Loops(count);
		for (int i = 0; i < count; i++) {
			Thread thread = new Thread(() -> loops.run(loop), name + "-" + i);
			thread.setDaemon(true);
			thread.start();
			loops.threads.add(thread);
		}
		try {
			loops.ready.await();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		return loops;
	}

	private void run(Loop loop) {
		try {
			loop.run(this.ready::countDown, () -> this.running);
		}
		catch (Throwable ex) {
			this.failure = ex;
		}
		finally {
			this.ready.countDown();
		}
	}

	@Override
	public void close() {
		this.running = false;
		try {
			for (Thread thread : this.threads) {
				thread.join();
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		if (this.failure != null) {
			throw new IllegalStateException("A consumer has failed", this.failure);
		}
	}

	/**
	 * What one thread does.
	 */
	@FunctionalInterface
	interface Loop {

		/**
		 * Runs until it is time to end.
		 * @param ready to be called when the loop begins
		 * @param running tells whether to go on
		 * @throws Exception if something fails
		 */
		void run(Runnable ready, BooleanSupplier running) throws Exception;

	}

}
