package io.pgqueue.worker;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;

import io.pgqueue.engine.Database;
import io.pgqueue.engine.Portion;
import io.pgqueue.engine.Promotions;
import io.pgqueue.engine.Promotions.Promotion;
import io.pgqueue.wakeup.OutageLog;
import io.pgqueue.wakeup.WakeUps;
import org.jspecify.annotations.Nullable;

/**
 * Puts scheduled messages into the log when they are due, together with the promoters of
 * all other processes. One thread, which borrows a connection for each look.
 */
public final class Promoter {

	/**
	 * How long it sleeps at most while other processes cannot tell what they have
	 * scheduled.
	 */
	static final Duration LONGEST_SLEEP = Duration.ofSeconds(1);

	private static final int MOST_AT_ONCE = 500;

	private static final long FULL_LOOK_NANOS = Duration.ofSeconds(30).toNanos();

	private static final Duration STOP_LIMIT = Duration.ofSeconds(3);

	private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(5);

	private static final String FAILURE = "Scheduled messages cannot be promoted";

	private final Promotions promotions;

	private final WakeUps wakeUps;

	private final OutageLog outages;

	private final Portion portion = new Portion(MOST_AT_ONCE);

	private volatile @Nullable Thread thread;

	private OffsetDateTime dueFrom = OffsetDateTime.MIN;

	private long lastFullLook;

	/**
	 * Creates a promoter that is not yet running.
	 * @param database where to look
	 * @param wakeUps shared with the template and the containers of this application
	 */
	public Promoter(Database database, WakeUps wakeUps) {
		this.promotions = new Promotions(database);
		this.wakeUps = wakeUps;
		this.outages = wakeUps.outages();
	}

	/**
	 * Starts to promote. Does nothing if it runs already.
	 */
	public void start() {
		if (this.thread != null) {
			return;
		}
		Thread started = new Thread(this::run, "pgqueue-promoter");
		started.setDaemon(true);
		this.thread = started;
		started.start();
	}

	/**
	 * Stops, within a few seconds.
	 */
	public void stop() {
		Thread stopping = this.thread;
		this.thread = null;
		this.wakeUps.alarm().signal();
		try {
			if (stopping != null) {
				stopping.join(STOP_LIMIT.toMillis());
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	private void run() {
		try {
			int failures = 0;
			lookAtEverything();
			while (this.thread == Thread.currentThread()) {
				Duration pause;
				try {
					pause = promote();
					failures = 0;
					this.outages.worked(FAILURE);
				}
				catch (RuntimeException | Error ex) {
					this.outages.failed(FAILURE, ex);
					pause = backoff(failures++);
				}
				if (this.wakeUps.alarm().await(pause)) {
					lookAtEverything();
				}
			}
		}
		finally {
			this.outages.ended(FAILURE);
		}
	}

	/**
	 * Promotes once and returns how long to sleep.
	 */
	private Duration promote() {
		if (System.nanoTime() - this.lastFullLook >= FULL_LOOK_NANOS) {
			lookAtEverything();
		}
		Promotion promotion = this.portion.run(MOST_AT_ONCE, (most) -> this.promotions.promote(most, this.dueFrom));
		this.dueFrom = promotion.dueFrom();
		promotion.queues().keySet().forEach(this.wakeUps::announce);
		Duration longest = this.wakeUps.pace(LONGEST_SLEEP);
		if (promotion.nextDueMicros() == null) {
			return longest;
		}
		Duration next = Duration.of(promotion.nextDueMicros(), ChronoUnit.MICROS);
		return (next.compareTo(longest) < 0) ? next : longest;
	}

	private void lookAtEverything() {
		this.dueFrom = OffsetDateTime.MIN;
		this.lastFullLook = System.nanoTime();
	}

	private static Duration backoff(int failures) {
		Duration pause = Duration.ofMillis(100L << Math.min(failures, 6));
		return (pause.compareTo(LONGEST_BACKOFF) < 0) ? pause : LONGEST_BACKOFF;
	}

}
