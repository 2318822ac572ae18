package io.pgqueue.listener;

import java.time.Duration;

/**
 * The right of one runner to have a transaction open: handlers that wait in the pool for
 * each other's connections would wait for ever. A runner keeps it for a few short
 * messages, because waking another thread for each would cost more than the message.
 */
final class TransactionTurn {

	private static final long LENGTH = Duration.ofMillis(10).toNanos();

	private final TransactionTurns turns;

	private boolean held;

	private long since;

	TransactionTurn(TransactionTurns turns) {
		this.turns = turns;
	}

	/**
	 * Waits until it is this runner's turn, unless it is already.
	 * @return whether it is; not if the container stops
	 */
	boolean begin() {
		if (!this.held && this.turns.acquire()) {
			this.held = true;
			this.since = System.nanoTime();
		}
		return this.held;
	}

	/**
	 * Lets somebody else who waits have the turn, if it has been long enough.
	 */
	void pass() {
		if (this.held && System.nanoTime() - this.since >= LENGTH && this.turns.isAwaited()) {
			end();
		}
	}

	/**
	 * Ends the turn, if it is this runner's.
	 */
	void end() {
		if (this.held) {
			this.held = false;
			this.turns.release();
		}
	}

}
