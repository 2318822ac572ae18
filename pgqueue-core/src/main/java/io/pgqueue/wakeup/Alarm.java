package io.pgqueue.wakeup;

import java.time.Duration;

/**
 * Lets the one thread that promotes scheduled messages sleep until the next one is due,
 * as far as this application knows.
 */
public final class Alarm {

	private final WakeUp wakeUp = new WakeUp();

	private boolean asleep;

	private long wakesAt;

	private boolean overdue;

	/**
	 * Reports a message that was committed by this application. Wakes the sleeper if the
	 * message is due before it would wake by itself.
	 * @param dueIn time until the message is due; negative if its transaction took longer
	 * than that
	 */
	public synchronized void due(Duration dueIn) {
		this.overdue |= dueIn.isNegative();
		if (!this.asleep || System.nanoTime() + dueIn.toNanos() - this.wakesAt < 0) {
			this.wakeUp.signal();
		}
	}

	/**
	 * Ends the sleep that is under way, or else the next one.
	 */
	public void signal() {
		this.wakeUp.signal();
	}

	/**
	 * Sleeps.
	 * @param limit how long at most
	 * @return whether a message was reported whose due time had passed before it was
	 * committed
	 */
	public boolean await(Duration limit) {
		synchronized (this) {
			this.asleep = true;
			this.wakesAt = System.nanoTime() + limit.toNanos();
		}
		this.wakeUp.await(limit);
		synchronized (this) {
			this.asleep = false;
			boolean late = this.overdue;
			this.overdue = false;
			return late;
		}
	}

}
