package io.pgqueue.worker;

import java.time.Duration;

import io.pgqueue.Durations;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.engine.Workers;
import io.pgqueue.engine.Workers.Expired;
import io.pgqueue.wakeup.OutageLog;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Deletes dead letters that are older than the retention, once a minute. Every worker
 * does it; they pass over what another one is deleting.
 */
final class DeadLetterExpiry {

	private static final Logger logger = LoggerFactory.getLogger(DeadLetterExpiry.class);

	private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

	private static final String FAILURE = "Old dead letters cannot be deleted";

	private final Duration retention;

	private final long pauseNanos;

	private final long budgetNanos;

	private @Nullable Expired last;

	private long next = System.nanoTime();

	private DeadLetterExpiry(Duration retention, Duration budget) {
		this.retention = Durations.limited(retention);
		this.pauseNanos = ((retention.compareTo(LONGEST_PAUSE) < 0) ? retention : LONGEST_PAUSE).toNanos();
		this.budgetNanos = budget.toNanos();
	}

	/**
	 * Creates an expiry.
	 * @param retention how long dead letters are kept, {@code null} for ever
	 * @param budget how long one run may take, because the worker's signs of life wait
	 * for it
	 * @return the expiry, or null if there is nothing to do
	 */
	static @Nullable DeadLetterExpiry of(@Nullable Duration retention, Duration budget) {
		if (retention == null) {
			return null;
		}
		if (retention.compareTo(Duration.ofMillis(1)) < 0) {
			throw new InvalidConfigurationException("dead-letters.retention is " + retention
					+ ", but must be at least a millisecond; leave it out to keep dead letters for ever");
		}
		return new DeadLetterExpiry(retention, budget);
	}

	/**
	 * Deletes what is too old, unless it was done a short while ago.
	 */
	void run(Workers workers, OutageLog outages) {
		long started = System.nanoTime();
		if (started - this.next < 0) {
			return;
		}
		int total = 0;
		try {
			do {
				Expired expired = workers.expireDeadLetters(this.last, this.retention);
				this.last = expired.more() ? expired : null;
				total += expired.deleted();
			}
			while (this.last != null && System.nanoTime() - started < this.budgetNanos);
			outages.worked(FAILURE);
		}
		catch (RuntimeException ex) {
			// Not a reason to give no sign of life.
			outages.failed(FAILURE, ex);
			this.last = null;
		}
		if (this.last == null) {
			this.next = System.nanoTime() + this.pauseNanos;
		}
		if (total > 0) {
			logger.info("Deleted {} dead letters older than {}", total, this.retention);
		}
	}

}
