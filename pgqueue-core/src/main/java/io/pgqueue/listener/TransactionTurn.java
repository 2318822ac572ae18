package io.pgqueue.listener;

import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * The right of one runner to have a transaction open: handlers that wait in the pool for
 * each other's connections would wait for ever. A runner keeps it for a few short
 * messages, because waking another thread for each would cost more than the message.
 */
final class TransactionTurn {

	private static final long LENGTH = Duration.ofMillis(10).toNanos();

	private final Semaphore permits;

	private boolean held;

	private long since;

	TransactionTurn(Semaphore permits) {
		this.permits = permits;
	}

	/**
	 * Waits until it is this runner's turn, unless it is already.
	 * @return whether it is
	 */
	boolean begin(Duration limit) throws InterruptedException {
		if (!this.held && this.permits.tryAcquire(limit.toNanos(), TimeUnit.NANOSECONDS)) {
			this.held = true;
			this.since = System.nanoTime();
		}
		return this.held;
	}

	/**
	 * Lets somebody else who waits have the turn, if it has been long enough.
	 */
	void pass() {
		if (this.held && System.nanoTime() - this.since >= LENGTH && this.permits.hasQueuedThreads()) {
			end();
		}
	}

	/**
	 * Ends the turn, if it is this runner's.
	 */
	void end() {
		if (this.held) {
			this.held = false;
			this.permits.release();
		}
	}

}
