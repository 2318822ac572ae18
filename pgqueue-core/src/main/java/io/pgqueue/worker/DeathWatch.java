package io.pgqueue.worker;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import io.pgqueue.engine.Workers.Holder;

/**
 * Decides which workers are dead: those whose sign of life has not changed for the whole
 * timeout under the eyes of this observer, measured by its own monotonic clock. An
 * observer that was blind in between, because the database was down or it was paused
 * itself, starts anew: after an outage every sign of life looks old.
 */
final class DeathWatch {

	private final long timeoutNanos;

	private final long longestGapNanos;

	private final Map<Long, Seen> seen = new HashMap<>();

	private long lastLook;

	DeathWatch(Duration timeout, Duration longestGap) {
		this.timeoutNanos = timeout.toNanos();
		this.longestGapNanos = longestGap.toNanos();
	}

	/**
	 * Takes in what was read and returns the workers to declare dead.
	 */
	List<Holder> look(List<Holder> holders, long now) {
		if (now - this.lastLook > this.longestGapNanos) {
			forget();
		}
		this.lastLook = now;
		Map<Long, Seen> still = new HashMap<>();
		List<Holder> dead = new ArrayList<>();
		for (Holder holder : holders) {
			Seen before = this.seen.get(holder.worker());
			Seen current = (before != null && before.beatAt().equals(holder.beatAt())) ? before
					: new Seen(holder.beatAt(), now);
			still.put(holder.worker(), current);
			if (!holder.dead() && now - current.since() >= this.timeoutNanos) {
				dead.add(holder);
			}
		}
		this.seen.clear();
		this.seen.putAll(still);
		return dead;
	}

	/**
	 * Forgets what was seen, because something was missed.
	 */
	void forget() {
		this.seen.clear();
	}

	/**
	 * Returns how long until a worker that is seen now would be declared dead.
	 */
	Duration untilNext(long now, Duration otherwise) {
		long next = otherwise.toNanos();
		for (Seen one : this.seen.values()) {
			long left = one.since() + this.timeoutNanos - now;
			if (left > 0) {
				next = Math.min(next, left);
			}
		}
		return Duration.ofNanos(next);
	}

	/**
	 * A sign of life and since when it has been the last one.
	 *
	 * @param beatAt the sign of life
	 * @param since monotonic time
	 */
	private record Seen(OffsetDateTime beatAt, long since) {
	}

}
