package io.pgqueue.listener;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Semaphore;

/**
 * The runners of one container in the line for transactions, in which those of all
 * containers wait. Whoever is in it keeps its place until it has its turn or the
 * container stops: looking now and then whether to go on waiting would mean to start
 * again at the end.
 */
final class TransactionTurns {

	private final Semaphore permits;

	private final Set<Thread> waiting = new HashSet<>();

	private boolean ended;

	TransactionTurns(Semaphore permits) {
		this.permits = permits;
	}

	/**
	 * Waits for a permit.
	 * @return false if the container stops, or somebody has interrupted the thread
	 */
	boolean acquire() {
		Thread thread = Thread.currentThread();
		synchronized (this) {
			if (this.ended) {
				return false;
			}
			this.waiting.add(thread);
		}
		try {
			this.permits.acquire();
			return true;
		}
		catch (InterruptedException ex) {
			return false;
		}
		finally {
			synchronized (this) {
				this.waiting.remove(thread);
				// An interrupt by end() was for the wait only.
				Thread.interrupted();
			}
		}
	}

	void release() {
		this.permits.release();
	}

	/**
	 * Tells whether somebody waits, in this container or another.
	 */
	boolean isAwaited() {
		return this.permits.hasQueuedThreads();
	}

	/**
	 * From now on nobody waits.
	 */
	synchronized void end() {
		this.ended = true;
		this.waiting.forEach(Thread::interrupt);
	}

}
