package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;

import io.pgqueue.BatchResult;
import org.jspecify.annotations.Nullable;

/**
 * One unit of work in the hands of a handler, with the time it has. The handler's thread
 * and the watch over its time agree here on who ends it.
 */
final class Handling {

	private static final ThreadLocal<@Nullable Handling> CURRENT = new ThreadLocal<>();

	private final List<Delivery> deliveries;

	private final MessageProcessor processor;

	private final Dispatcher.Slot slot;

	private @Nullable Thread thread;

	private long deadline;

	private boolean interrupted;

	private volatile boolean inTransaction;

	private volatile boolean rolledBack;

	private volatile boolean leaseLost;

	private volatile boolean committing;

	private boolean concluded;

	private volatile @Nullable RuntimeException ackFailure;

	private volatile @Nullable BatchResult result;

	Handling(List<Delivery> deliveries, MessageProcessor processor, Dispatcher.Slot slot, Duration timeout) {
		this.deliveries = deliveries;
		this.processor = processor;
		this.slot = slot;
		this.deadline = System.nanoTime() + timeout.toNanos();
	}

	/**
	 * Returns what the current thread handles, if it is within a handler.
	 */
	static @Nullable Handling current() {
		return CURRENT.get();
	}

	List<Delivery> deliveries() {
		return this.deliveries;
	}

	MessageProcessor processor() {
		return this.processor;
	}

	Dispatcher.Slot slot() {
		return this.slot;
	}

	/**
	 * Begins the call of the handler on the current thread.
	 */
	synchronized void begin() {
		this.thread = Thread.currentThread();
		CURRENT.set(this);
	}

	/**
	 * Ends the call of the handler: from now on nobody interrupts its thread.
	 */
	synchronized void end() {
		this.thread = null;
		CURRENT.remove();
		// Whatever the handler, or we, did to the flag must not disturb what follows.
		Thread.interrupted();
	}

	/**
	 * Interrupts the handler if it is still at work.
	 * @return its thread, or null if it has returned
	 */
	synchronized @Nullable Thread interrupt() {
		this.interrupted = true;
		if (this.thread != null) {
			this.thread.interrupt();
		}
		return this.thread;
	}

	synchronized boolean isInterrupted() {
		return this.interrupted;
	}

	/**
	 * Returns by how much its time is over, in nanoseconds; negative while it has time.
	 */
	synchronized long overdue(long now) {
		return now - this.deadline;
	}

	synchronized void extend(Duration time) {
		this.deadline = System.nanoTime() + time.toNanos();
	}

	boolean isDecided() {
		for (Delivery delivery : this.deliveries) {
			if (!delivery.isDecided()) {
				return false;
			}
		}
		return true;
	}

	/**
	 * Returns what the handler said about its batch.
	 */
	BatchResult result() {
		BatchResult own = this.result;
		return (own != null) ? own : BatchResult.SUCCESS;
	}

	void setResult(BatchResult result) {
		this.result = result;
	}

	/**
	 * Tells whether a transaction that acknowledges is under way on the handler's thread.
	 */
	boolean isInTransaction() {
		return this.inTransaction;
	}

	void setInTransaction(boolean inTransaction) {
		this.inTransaction = inTransaction;
	}

	/**
	 * Tells whether a transaction has acknowledged and not ended yet: what becomes of the
	 * deliveries is up to it, and it holds what others would have to wait for.
	 */
	boolean isCommitting() {
		return this.committing;
	}

	void setCommitting(boolean committing) {
		this.committing = committing;
	}

	/**
	 * Takes the right to say what the call of the handler has come to.
	 * @return false if somebody else has it
	 */
	synchronized boolean conclude() {
		boolean first = !this.concluded;
		this.concluded = true;
		return first;
	}

	/**
	 * Tells whether the last transaction that was to acknowledge has not committed.
	 */
	boolean isRolledBack() {
		return this.rolledBack;
	}

	void setRolledBack(boolean rolledBack) {
		this.rolledBack = rolledBack;
	}

	/**
	 * Returns why the messages could not be acknowledged in the transaction, if that was
	 * tried in vain.
	 */
	@Nullable RuntimeException ackFailure() {
		return this.ackFailure;
	}

	void setAckFailure(RuntimeException ackFailure) {
		this.ackFailure = ackFailure;
	}

	boolean isLeaseLost() {
		return this.leaseLost;
	}

	void setLeaseLost() {
		this.leaseLost = true;
	}

}
