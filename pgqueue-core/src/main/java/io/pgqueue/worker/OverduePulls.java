package io.pgqueue.worker;

import java.time.OffsetDateTime;

import io.pgqueue.engine.Pulls.Returned;
import io.pgqueue.engine.Workers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives back what was received outside containers and not settled in its time, for
 * applications that do not receive again.
 */
final class OverduePulls {

	private static final Logger logger = LoggerFactory.getLogger(OverduePulls.class);

	private OverduePulls() {
	}

	/**
	 * Gives back whatever is overdue.
	 * @return whether something was given back
	 */
	static boolean giveBack(Workers workers) {
		OffsetDateTime from = OffsetDateTime.MIN;
		int total = 0;
		Returned returned;
		do {
			returned = workers.returnOverdue(from);
			from = returned.lookFrom();
			total += returned.messages();
		}
		while (returned.messages() > 0);
		if (total > 0) {
			logger.info("Gave back {} received messages that were not settled in their time", total);
		}
		return total > 0;
	}

}
