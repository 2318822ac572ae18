package io.pgqueue.worker;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;

import javax.sql.DataSource;

import io.pgqueue.engine.Promotions;
import io.pgqueue.engine.Promotions.Promotion;
import io.pgqueue.wakeup.WakeUps;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts scheduled messages into the log when they are due, together with the promoters of
 * all other processes. One thread and one connection, both for as long as it runs.
 */
final class Promoter {

	/**
	 * How long it sleeps at most: this is how it learns what other processes have
	 * scheduled.
	 */
	static final Duration LONGEST_SLEEP = Duration.ofSeconds(1);

	private static final Logger logger = LoggerFactory.getLogger(Promoter.class);

	private static final int MOST_AT_ONCE = 500;

	private static final long FULL_LOOK_NANOS = Duration.ofSeconds(30).toNanos();

	private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(5);

	private final DataSource direct;

	private final String schema;

	private final WakeUps wakeUps;

	private volatile @Nullable Thread thread;

	private OffsetDateTime dueFrom = OffsetDateTime.MIN;

	private long lastFullLook;

	Promoter(DataSource direct, String schema, WakeUps wakeUps) {
		this.direct = direct;
		this.schema = schema;
		this.wakeUps = wakeUps;
	}

	void start() {
		Thread started = new Thread(this::run, "pgqueue-promoter");
		started.setDaemon(true);
		this.thread = started;
		started.start();
	}

	/**
	 * Asks the thread to end and returns it, to be waited for.
	 */
	@Nullable Thread stop() {
		Thread stopping = this.thread;
		this.thread = null;
		this.wakeUps.alarm().signal();
		return stopping;
	}

	private void run() {
		try (Promotions promotions = new Promotions(this.direct, this.schema)) {
			int failures = 0;
			lookAtEverything();
			while (this.thread == Thread.currentThread()) {
				Duration pause;
				try {
					pause = promote(promotions);
					failures = 0;
				}
				catch (RuntimeException | Error ex) {
					pause = backoff(failures++, ex);
				}
				if (this.wakeUps.alarm().await(pause)) {
					lookAtEverything();
				}
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	/**
	 * Promotes once and returns how long to sleep.
	 */
	private Duration promote(Promotions promotions) {
		if (System.nanoTime() - this.lastFullLook >= FULL_LOOK_NANOS) {
			lookAtEverything();
		}
		Promotion promotion = promotions.promote(MOST_AT_ONCE, this.dueFrom);
		this.dueFrom = promotion.dueFrom();
		promotion.queues().keySet().forEach(this.wakeUps::wake);
		if (promotion.nextDueMicros() == null) {
			return LONGEST_SLEEP;
		}
		Duration next = Duration.of(promotion.nextDueMicros(), ChronoUnit.MICROS);
		return (next.compareTo(LONGEST_SLEEP) < 0) ? next : LONGEST_SLEEP;
	}

	private void lookAtEverything() {
		this.dueFrom = OffsetDateTime.MIN;
		this.lastFullLook = System.nanoTime();
	}

	private static Duration backoff(int failures, Throwable ex) {
		if (failures == 0) {
			logger.warn("Scheduled messages cannot be promoted, trying again: {}", ex.toString());
		}
		Duration pause = Duration.ofMillis(100L << Math.min(failures, 6));
		return (pause.compareTo(LONGEST_BACKOFF) < 0) ? pause : LONGEST_BACKOFF;
	}

}
