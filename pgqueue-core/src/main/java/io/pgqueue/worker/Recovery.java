package io.pgqueue.worker;

import java.time.Duration;
import java.util.List;

import io.pgqueue.engine.Workers;
import io.pgqueue.engine.Workers.Holder;
import io.pgqueue.wakeup.WakeUps;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Declares workers dead that give no sign of life, and takes back what dead ones hold.
 */
final class Recovery {

	private static final Logger logger = LoggerFactory.getLogger(Recovery.class);

	private final DeathWatch deathWatch;

	private final WakeUps wakeUps;

	/**
	 * Creates a recovery.
	 */
	Recovery(DeathWatch deathWatch, WakeUps wakeUps) {
		this.deathWatch = deathWatch;
		this.wakeUps = wakeUps;
	}

	/**
	 * Takes part in a round of the worker.
	 * @param holders the other workers that hold messages
	 */
	void run(Workers workers, List<Holder> holders) {
		for (Holder holder : this.deathWatch.look(holders, System.nanoTime())) {
			if (workers.declareDead(holder)) {
				logger.warn("Worker {} has given no sign of life since {}: it is declared dead", holder.worker(),
						holder.beatAt());
				recover(workers, holder.worker());
			}
		}
		for (Holder holder : holders) {
			if (holder.dead()) {
				recover(workers, holder.worker());
			}
		}
	}

	private void recover(Workers workers, long worker) {
		int total = 0;
		int taken;
		do {
			taken = workers.recover(worker);
			total += taken;
		}
		while (taken > 0);
		if (total > 0) {
			logger.info("Recovered {} messages of dead worker {}", total, worker);
			this.wakeUps.announceEverything();
		}
	}

	/**
	 * Forgets what was seen, because something was missed.
	 */
	void forget() {
		this.deathWatch.forget();
	}

	/**
	 * Returns how long until a worker that is seen now would be declared dead.
	 */
	Duration untilNext(Duration otherwise) {
		return this.deathWatch.untilNext(System.nanoTime(), otherwise);
	}

}
