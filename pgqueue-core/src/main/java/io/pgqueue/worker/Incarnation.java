package io.pgqueue.worker;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;

import io.pgqueue.engine.ClaimedMessage;

/**
 * One registration of this process. Its number and the number of a lease together are the
 * fence of a claim: neither is ever used again.
 * <p>
 * Also remembers which leases are in hand, so that they can be compared with the ones
 * that the database has stored. Invariant: a lease number is known here from before the
 * claim is sent until every message of it is settled in the database, or the claim has
 * failed.
 */
public final class Incarnation {

	private final long worker;

	private final AtomicLong lastLease = new AtomicLong();

	private final Map<Long, Integer> inHand = new ConcurrentSkipListMap<>();

	private volatile boolean gone;

	private volatile boolean suspect;

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
	 * Returns numbers for new leases, before the claim is sent.
	 * @param count how many
	 * @return the first; the others follow it
	 */
	public synchronized long nextLeases(int count) {
		long first = this.lastLease.get() + 1;
		for (long number = first; number < first + count; number++) {
			this.inHand.put(number, 0);
		}
		this.lastLease.addAndGet(count);
		return first;
	}

	/**
	 * Reports the answer to a claim.
	 * @param first number of its first lease
	 * @param count how many numbers it had
	 * @param messages what was claimed
	 */
	public void claimed(long first, int count, List<ClaimedMessage> messages) {
		for (ClaimedMessage message : messages) {
			this.inHand.merge(message.lease(), 1, Integer::sum);
		}
		for (long number = first; number < first + count; number++) {
			this.inHand.remove(number, 0);
		}
	}

	/**
	 * Reports that there was no answer to a claim: if it took effect, what it took is
	 * given back soon.
	 * @param first number of its first lease
	 * @param count how many numbers it had
	 */
	public void claimFailed(long first, int count) {
		for (long number = first; number < first + count; number++) {
			this.inHand.remove(number);
		}
		this.suspect = true;
	}

	/**
	 * Reports that one message of a lease is settled in the database, or was lost.
	 * @param lease number of the lease
	 */
	public void settled(long lease) {
		this.inHand.computeIfPresent(lease, (number, messages) -> (messages > 1) ? messages - 1 : null);
	}

	/**
	 * Marks this incarnation as declared dead: it can claim and settle nothing any more.
	 */
	public void markGone() {
		this.gone = true;
	}

	/**
	 * Tells whether this incarnation was declared dead.
	 * @return whether it was, as far as this process knows
	 */
	public boolean isGone() {
		return this.gone;
	}

	boolean holds() {
		return !this.inHand.isEmpty();
	}

	/**
	 * Tells, once, whether a claim has failed since the last call.
	 */
	boolean takeSuspicion() {
		boolean before = this.suspect;
		this.suspect = false;
		return before;
	}

	/**
	 * Returns the number of the last lease and the leases in hand, at one moment.
	 */
	synchronized InHand inHand() {
		return new InHand(this.lastLease.get(), this.inHand.keySet().stream().mapToLong(Long::longValue).toArray());
	}

	/**
	 * What is in hand at one moment.
	 *
	 * @param last number of the last lease that was begun
	 * @param leases numbers of the leases in hand, sorted
	 */
	record InHand(long last, long[] leases) {
	}

}
