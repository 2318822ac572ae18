package io.pgqueue.worker;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.Map;

import io.pgqueue.engine.Workers;
import io.pgqueue.engine.Workers.Surroundings;
import io.pgqueue.wakeup.WakeUps;

/**
 * Looks into the queues for all who rest in this application, and wakes those who have
 * something to do: one statement, however many they are. In rounds that somebody has
 * asked for in between, it does not look into the queues again, so that no flood of
 * signals makes it.
 */
final class Lookout {

	/**
	 * Looks from one that begins at the low-water mark to one that looks at everything.
	 */
	private static final int LOOKS_PER_FULL_LOOK = 3;

	/**
	 * How much later than the promoter believes a message may be due without it being
	 * told: the answers to two statements do not take equally long.
	 */
	private static final Duration TOLERANCE = Duration.ofMillis(20);

	private final WakeUps wakeUps;

	private final Duration heartbeat;

	private OffsetDateTime dueFrom = OffsetDateTime.MIN;

	private int looks;

	private boolean blind = true;

	private long lastLook;

	/**
	 * Creates a lookout.
	 * @param heartbeat longest time between two looks
	 */
	Lookout(WakeUps wakeUps, Duration heartbeat) {
		this.wakeUps = wakeUps;
		this.heartbeat = heartbeat;
	}

	/**
	 * Takes part in a round of the worker.
	 * @return what there is to do for the worker itself
	 */
	Surroundings look(Workers workers, long worker) {
		long now = System.nanoTime();
		Duration interval = this.wakeUps.lookInterval(this.heartbeat);
		if (!this.blind && !this.wakeUps.isLookMissing() && now - this.lastLook < interval.toNanos() / 10 * 9) {
			return tell(workers.lookAround(worker, Map.of(), this.dueFrom));
		}
		OffsetDateTime from = (this.looks++ % LOOKS_PER_FULL_LOOK == 0) ? OffsetDateTime.MIN : this.dueFrom;
		Map<Integer, Integer> subscriptions = this.wakeUps.subscriptions();
		Surroundings seen = tell(workers.lookAround(worker, subscriptions, from));
		this.wakeUps.looked(seen.subscriptions(), now, interval);
		this.dueFrom = seen.dueFrom();
		this.lastLook = now;
		this.blind = false;
		return seen;
	}

	private Surroundings tell(Surroundings seen) {
		if (seen.nextDue() != null) {
			this.wakeUps.alarm().due(seen.nextDue().plus(TOLERANCE));
		}
		return seen;
	}

	/**
	 * Has the next round look at everything, and nobody rely on this one until then.
	 */
	void fail() {
		this.blind = true;
		this.looks = 0;
		this.wakeUps.notLooked();
	}

	/**
	 * Returns how long until the next look, however many rounds there were since the last
	 * one.
	 */
	Duration pause() {
		Duration interval = this.wakeUps.lookInterval(this.heartbeat);
		Duration left = WakeUps.jittered(interval).minusNanos(System.nanoTime() - this.lastLook);
		Duration least = interval.dividedBy(10);
		return (left.compareTo(least) > 0) ? left : least;
	}

}
