package io.pgqueue.listener;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

import io.pgqueue.worker.Incarnation;

/**
 * Messages that one claim read from the log. But for {@link #handled()}, it is used by
 * the settler's thread only.
 */
final class Lease {

	private final Incarnation incarnation;

	private final long number;

	private final List<Outcome> acknowledged = new ArrayList<>();

	private final int size;

	private final AtomicInteger unhandled;

	private int open;

	private long waitingSince;

	Lease(Incarnation incarnation, long number, int messages) {
		this.incarnation = incarnation;
		this.number = number;
		this.size = messages;
		this.open = messages;
		this.unhandled = new AtomicInteger(messages);
	}

	Incarnation incarnation() {
		return this.incarnation;
	}

	long number() {
		return this.number;
	}

	/**
	 * How many messages were claimed under it.
	 */
	int size() {
		return this.size;
	}

	/**
	 * Counts a message that its handler is done with, on the handler's thread.
	 * @return whether it was the last one
	 */
	boolean handled() {
		return this.unhandled.decrementAndGet() == 0;
	}

	/**
	 * Counts a message that its handler is done with, but that the database still shows
	 * in the lease.
	 */
	void acknowledge(Outcome outcome, long now) {
		if (this.acknowledged.isEmpty()) {
			this.waitingSince = now;
		}
		this.acknowledged.add(outcome);
		this.open--;
	}

	/**
	 * Counts a message that the database has moved out of the lease.
	 */
	void moved() {
		this.open--;
	}

	/**
	 * Tells whether no handler has anything of the lease any more.
	 */
	boolean isComplete() {
		return this.open == 0;
	}

	long waitingSince() {
		return this.waitingSince;
	}

	/**
	 * The messages that wait to be acknowledged.
	 */
	List<Outcome> acknowledged() {
		return this.acknowledged;
	}

}
