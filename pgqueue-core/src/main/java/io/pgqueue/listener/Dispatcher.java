package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;

import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Between the thread that claims and the threads that handle: a bounded buffer of units
 * of work, and at most {@code concurrency} runners that empty it.
 * <p>
 * How much may be claimed ahead follows the measured handling time, so that the buffer
 * holds about {@link #AHEAD} of work: slow handlers claim only what they can start at
 * once, and hide nothing from other nodes.
 */
final class Dispatcher {

	static final Duration AHEAD = Duration.ofMillis(100);

	private static final long LONGEST_WAIT_MILLIS = 1_000;

	private static final Logger logger = LoggerFactory.getLogger(Dispatcher.class);

	/**
	 * Weight of the newest measurement in the running average.
	 */
	private static final double NEWEST = 0.2;

	private final int concurrency;

	private final int mostAhead;

	private final Executor executor;

	private final MessageProcessor processor;

	private final Deque<List<Delivery>> buffer = new ArrayDeque<>();

	private final Set<Thread> runners = new HashSet<>();

	private int starting;

	/**
	 * Units that their handler has returned from and that are not settled.
	 */
	private int kept;

	/**
	 * Threads that were given up and run still.
	 */
	private int abandoned;

	private boolean stopped;

	private boolean warned;

	private double nanosPerUnit = Double.POSITIVE_INFINITY;

	Dispatcher(int concurrency, int mostAhead, Executor executor, MessageProcessor processor) {
		this.concurrency = concurrency;
		this.mostAhead = mostAhead;
		this.executor = executor;
		this.processor = processor;
	}

	/**
	 * Waits until units may be claimed and returns how many. Waits for the buffer to be
	 * half empty, so that claims are few and large.
	 * @return how many; 0 after a stop
	 */
	synchronized int awaitRoom() throws InterruptedException {
		while (!this.stopped) {
			startRunners();
			int room = room();
			if (room > 0) {
				return room;
			}
			wait(LONGEST_WAIT_MILLIS);
		}
		return 0;
	}

	/**
	 * Tells whether nothing may be claimed now.
	 */
	synchronized boolean isSaturated() {
		return room() <= 0;
	}

	private int room() {
		int ahead = ahead();
		int free = this.concurrency - this.runners.size() - this.starting - this.kept;
		return (this.buffer.size() <= ahead / 2) ? free + ahead - this.buffer.size() : 0;
	}

	private int ahead() {
		return (int) Math.min(this.mostAhead, this.concurrency * AHEAD.toNanos() / this.nanosPerUnit);
	}

	/**
	 * Takes units to be handled, or hands them back if it has been stopped.
	 */
	void add(List<List<Delivery>> units) {
		synchronized (this) {
			this.buffer.addAll(units);
			startRunners();
			if (!this.stopped) {
				return;
			}
		}
		stop();
	}

	/**
	 * Notes which messages are not wanted any more, among those that no handler has begun
	 * with.
	 */
	synchronized void cancel(Set<Long> ids) {
		for (List<Delivery> unit : this.buffer) {
			for (Delivery delivery : unit) {
				if (ids.contains(delivery.message().id())) {
					delivery.setCancelled();
				}
			}
		}
	}

	private void startRunners() {
		while (!this.stopped && this.runners.size() + this.starting + this.kept < this.concurrency
				&& this.starting < this.buffer.size()) {
			this.starting++;
			try {
				this.executor.execute(this::run);
			}
			catch (RuntimeException | Error ex) {
				// No memory for a thread, for example: whoever waits for room tries
				// again.
				this.starting--;
				warn(ex);
				return;
			}
		}
	}

	private void warn(Throwable ex) {
		if (!this.warned) {
			this.warned = true;
			logger.error("No thread could be started for a handler, trying again every second", ex);
		}
	}

	private void run() {
		Thread thread = Thread.currentThread();
		synchronized (this) {
			this.starting--;
			this.runners.add(thread);
		}
		try {
			handle(thread);
		}
		finally {
			// Unless it has ended as it should, in which case it is no longer there.
			synchronized (this) {
				this.runners.remove(thread);
				notifyAll();
			}
		}
	}

	private void handle(Thread thread) {
		TransactionTurn turn = this.processor.newTurn();
		List<Delivery> unit = next(thread);
		while (unit != null) {
			Slot slot = new Slot(thread);
			try {
				this.processor.process(unit, slot, turn);
			}
			catch (RuntimeException | Error ex) {
				logger.error("Unexpected failure outside a handler: its messages stay leased until this process ends",
						ex);
			}
			slot.end();
			unit = next(thread);
		}
		turn.end();
	}

	/**
	 * Returns the next unit for a runner, or null when there is none, or no place for it,
	 * and the runner ends.
	 */
	private synchronized @Nullable List<Delivery> next(Thread runner) {
		if (!this.runners.contains(runner)) {
			this.abandoned--;
			return null;
		}
		boolean place = this.runners.size() + this.kept <= this.concurrency;
		List<Delivery> unit = place ? this.buffer.poll() : null;
		if (unit == null) {
			this.runners.remove(runner);
		}
		// Waking the fetcher for every message would cost more than the message.
		if (unit == null || room() > 0) {
			notifyAll();
		}
		return unit;
	}

	private void measure(long nanos) {
		this.nanosPerUnit = Double.isInfinite(this.nanosPerUnit) ? Math.max(nanos, 1)
				: this.nanosPerUnit * (1 - NEWEST) + nanos * NEWEST;
	}

	/**
	 * Ends {@link #awaitRoom()} and hands back what was not started.
	 */
	void stop() {
		List<List<Delivery>> unstarted;
		synchronized (this) {
			this.stopped = true;
			unstarted = new ArrayList<>(this.buffer);
			this.buffer.clear();
			notifyAll();
		}
		for (List<Delivery> unit : unstarted) {
			for (Delivery delivery : unit) {
				this.processor.release(delivery);
			}
		}
	}

	/**
	 * Waits until no handler runs, and everything that handlers have kept is settled.
	 * @return whether that is so
	 */
	synchronized boolean awaitIdle(Duration limit) throws InterruptedException {
		long deadline = System.nanoTime() + limit.toNanos();
		while (!this.runners.isEmpty() || this.starting > 0 || this.kept > 0) {
			long left = (deadline - System.nanoTime()) / 1_000_000;
			if (left <= 0) {
				return false;
			}
			wait(left);
		}
		return true;
	}

	/**
	 * The place of one unit among the concurrent ones.
	 */
	final class Slot {

		private final Thread runner;

		private final long started = System.nanoTime();

		private boolean held;

		private boolean ended;

		private Slot(Thread runner) {
			this.runner = runner;
		}

		/**
		 * Keeps the place after the handler has returned, until {@link #release()}.
		 * @return whether the unit still had its place
		 */
		boolean keep() {
			synchronized (Dispatcher.this) {
				if (Dispatcher.this.runners.contains(this.runner)) {
					this.held = true;
					Dispatcher.this.kept++;
				}
				return this.held;
			}
		}

		/**
		 * Gives back a place that was kept.
		 * @return whether it was
		 */
		boolean release() {
			synchronized (Dispatcher.this) {
				if (!this.held) {
					return false;
				}
				this.held = false;
				Dispatcher.this.kept--;
				measure(System.nanoTime() - this.started);
				startRunners();
				Dispatcher.this.notifyAll();
				return true;
			}
		}

		/**
		 * Gives the place to somebody else although the handler has not returned.
		 * @return whether that is possible: not when too many were given up already
		 */
		boolean abandon() {
			synchronized (Dispatcher.this) {
				if (this.ended || Dispatcher.this.abandoned >= Dispatcher.this.concurrency
						|| !Dispatcher.this.runners.remove(this.runner)) {
					return false;
				}
				Dispatcher.this.abandoned++;
				startRunners();
				Dispatcher.this.notifyAll();
				return true;
			}
		}

		private void end() {
			synchronized (Dispatcher.this) {
				this.ended = true;
				if (!this.held) {
					measure(System.nanoTime() - this.started);
				}
			}
		}

	}

}
