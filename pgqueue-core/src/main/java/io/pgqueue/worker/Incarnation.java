package io.pgqueue.worker;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * One registration of this process. Its number and the number of a lease together are the
 * fence of a claim: neither is ever used again.
 */
public final class Incarnation {

	private final long worker;

	private final AtomicLong leases = new AtomicLong();

	private final AtomicInteger held = new AtomicInteger();

	private volatile boolean gone;

	Incarnation(long worker) {
		this.worker = worker;
	}

	/**
	 * Returns the number of the worker.
	 * @return the number
	 */
	public long worker() {
		return this.worker;
	}

	/**
	 * Returns a number for a new lease.
	 * @return the number
	 */
	public long nextLease() {
		return this.leases.incrementAndGet();
	}

	/**
	 * Counts messages that were claimed, or with a negative number settled. A worker that
	 * holds messages gives signs of life more often.
	 * @param messages how many
	 */
	public void hold(int messages) {
		this.held.addAndGet(messages);
	}

	/**
	 * Marks this incarnation as declared dead: it can claim and settle nothing any more.
	 */
	public void markGone() {
		this.gone = true;
	}

	/**
	 * Tells whether messages are in hand.
	 * @return whether there are any
	 */
	boolean holds() {
		return this.held.get() > 0;
	}

	boolean isGone() {
		return this.gone;
	}

}
