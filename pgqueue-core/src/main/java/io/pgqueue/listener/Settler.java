package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.Leases;
import io.pgqueue.wakeup.OutageLog;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.Incarnation;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes outcomes to the database: one thread for all containers of an application, which
 * takes together whatever came in while a statement was under way. A lease of many
 * messages is acknowledged as a whole when its last handler is done; what has waited for
 * that longer than {@link #LINGER} is taken out of it.
 */
final class Settler {

	static final Duration LINGER = Duration.ofMillis(100);

	/**
	 * How long it sleeps at most when there is nothing to do.
	 */
	private static final Duration IDLE = Duration.ofSeconds(10);

	private static final Logger logger = LoggerFactory.getLogger(Settler.class);

	private static final int CAPACITY = 10_000;

	private static final int MOST_AT_ONCE = 2_000;

	private static final String FAILURE = "Outcomes cannot be written";

	private static final Duration STOP_LIMIT = Duration.ofSeconds(3);

	private final Leases leases;

	private final QueueEventListener events;

	private final WakeUps wakeUps;

	private final OutageLog outages;

	private final BlockingQueue<Outcome> incoming = new ArrayBlockingQueue<>(CAPACITY);

	private final Queue<Outcome> collected = new ArrayDeque<>();

	private final Map<Incarnation, Unsettled> unsettled = new LinkedHashMap<>();

	private volatile @Nullable Thread thread;

	private volatile boolean running;

	private volatile boolean idle;

	private volatile long stopBy;

	Settler(Leases leases, QueueEventListener events, WakeUps wakeUps, OutageLog outages) {
		this.leases = leases;
		this.events = events;
		this.wakeUps = wakeUps;
		this.outages = outages;
	}

	synchronized void start() {
		if (this.running) {
			return;
		}
		this.running = true;
		Thread started = new Thread(this::run, "pgqueue-settler");
		started.setDaemon(true);
		this.thread = started;
		started.start();
	}

	/**
	 * Writes what has come in, within a limit, and stops.
	 */
	synchronized void stop() {
		Thread stopping = this.thread;
		if (stopping == null) {
			return;
		}
		this.stopBy = System.nanoTime() + STOP_LIMIT.toNanos();
		this.running = false;
		LockSupport.unpark(stopping);
		try {
			stopping.join(STOP_LIMIT.plusSeconds(1).toMillis());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		this.thread = null;
	}

	/**
	 * Takes an outcome that is to be written soon. Waits while too many are waiting,
	 * which is when the database does not answer. What comes after the stop is dropped:
	 * its message is recovered by others.
	 */
	void settle(Outcome outcome) {
		boolean last = !outcome.delivery().message().redelivered() && outcome.delivery().lease().handled();
		put(outcome);
		// Waking the settler for every message would cost more than the message: what
		// waits for the rest of its lease is fetched together with it.
		if (last || this.idle || !outcome.isPartOfLease() || this.incoming.size() > CAPACITY / 2) {
			LockSupport.unpark(this.thread);
		}
	}

	// An interrupt must not get between the decision about a message and its settling.
	private void put(Outcome outcome) {
		boolean interrupted = false;
		while (this.thread != null) {
			try {
				if (this.incoming.offer(outcome, LINGER.toMillis(), TimeUnit.MILLISECONDS)) {
					break;
				}
			}
			catch (InterruptedException ex) {
				interrupted = true;
			}
		}
		if (interrupted) {
			Thread.currentThread().interrupt();
		}
	}

	private void run() {
		boolean written = true;
		while (written && (this.running || !this.incoming.isEmpty() || !this.collected.isEmpty())) {
			try {
				collect();
				written = write(System.nanoTime() - LINGER.toNanos());
			}
			catch (RuntimeException | Error ex) {
				this.outages.failed(FAILURE, ex);
				pause(LINGER.toMillis());
			}
		}
		if (written) {
			write(System.nanoTime());
		}
		this.outages.ended(FAILURE);
	}

	// What was collected is forgotten one by one, so that nothing is lost if memory runs
	// out in between.
	private void collect() {
		if (this.incoming.drainTo(this.collected, MOST_AT_ONCE) == 0) {
			sleep();
			this.incoming.drainTo(this.collected, MOST_AT_ONCE);
		}
		long now = System.nanoTime();
		for (Outcome outcome = this.collected.peek(); outcome != null; outcome = this.collected.peek()) {
			this.unsettled
				.computeIfAbsent(outcome.delivery().lease().incarnation(),
						(incarnation) -> new Unsettled(incarnation, this.leases, this.events, this.wakeUps))
				.add(outcome, now);
			this.collected.remove();
		}
	}

	/**
	 * Sleeps until woken. Whoever adds the first outcome sees that this is idle, or is
	 * seen.
	 */
	private void sleep() {
		this.idle = this.unsettled.isEmpty();
		if (this.running && this.incoming.isEmpty()) {
			LockSupport.parkNanos(this, (this.idle ? IDLE : LINGER).toNanos());
		}
		this.idle = false;
		// Whoever interrupts this thread does not end it.
		Thread.interrupted();
	}

	private static void pause(long millis) {
		try {
			TimeUnit.MILLISECONDS.sleep(millis);
		}
		catch (InterruptedException ex) {
			// The same: then the pause was shorter.
		}
	}

	/**
	 * Writes what is due and tells whether that was possible before the stop.
	 */
	private boolean write(long waitedSince) {
		for (Unsettled one : this.unsettled.values()) {
			int failures = 0;
			while (!tryWrite(one, waitedSince)) {
				if (!this.running && System.nanoTime() - this.stopBy > 0) {
					logger.warn("Outcomes could not be written before the stop: their messages are delivered again");
					return false;
				}
				pause(Math.min(100L << Math.min(failures++, 6), 5_000));
			}
		}
		this.unsettled.values().removeIf(Unsettled::isEmpty);
		return true;
	}

	private boolean tryWrite(Unsettled one, long waitedSince) {
		try {
			one.write(waitedSince);
			this.outages.worked(FAILURE);
			return true;
		}
		catch (RuntimeException | Error ex) {
			this.outages.failed(FAILURE, ex);
			return false;
		}
	}

}
