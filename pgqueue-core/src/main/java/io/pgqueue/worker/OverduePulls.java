package io.pgqueue.worker;

import java.time.OffsetDateTime;

import io.pgqueue.engine.Pulls.Returned;
import io.pgqueue.engine.Workers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives back what was received outside containers and not settled in its time, for
 * applications that do not receive again. Looks rarely while nothing of the kind is held.
 */
final class OverduePulls {

	private static final Logger logger = LoggerFactory.getLogger(OverduePulls.class);

	/**
	 * Rounds from one full look to the next.
	 */
	private static final int ROUNDS_PER_FULL_LOOK = 3;

	private OffsetDateTime lookFrom = OffsetDateTime.MIN;

	private boolean waiting;

	private int rounds;

	/**
	 * Takes part in a round of the worker.
	 * @return whether something was given back
	 */
	boolean round(Workers workers) {
		boolean full = this.rounds++ % ROUNDS_PER_FULL_LOOK == 0;
		if (!full && !this.waiting) {
			return false;
		}
		OffsetDateTime from = full ? OffsetDateTime.MIN : this.lookFrom;
		int total = 0;
		Returned returned;
		do {
			returned = workers.returnOverdue(from);
			total += returned.messages();
		}
		while (returned.messages() > 0);
		this.lookFrom = returned.lookFrom();
		this.waiting = returned.waiting();
		if (total > 0) {
			logger.info("Gave back {} received messages that were not settled in their time", total);
		}
		return total > 0;
	}

}
