package io.pgqueue.listener;

import java.util.concurrent.atomic.AtomicBoolean;

import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Leases.Held;

/**
 * A claimed message on its way through a container. Whoever decides what becomes of it,
 * the handler's thread, an acknowledgement or the watch over its time, decides once.
 */
final class Delivery {

	/**
	 * The subscription that containers read for.
	 */
	static final String SUBSCRIPTION = "default";

	private final ClaimedMessage message;

	private final Lease lease;

	private final ContainerOptions container;

	private final AtomicBoolean decided = new AtomicBoolean();

	private volatile boolean unsure;

	private volatile boolean cancelled;

	/**
	 * Creates a delivery.
	 * @param message the message, not decoded
	 * @param lease the lease it was claimed under
	 * @param container the container it was claimed for
	 */
	Delivery(ClaimedMessage message, Lease lease, ContainerOptions container) {
		this.message = message;
		this.lease = lease;
		this.container = container;
	}

	ClaimedMessage message() {
		return this.message;
	}

	Lease lease() {
		return this.lease;
	}

	ContainerOptions container() {
		return this.container;
	}

	Held held() {
		return new Held(this.lease.number(), this.message.id());
	}

	/**
	 * Takes the right to decide what becomes of the message.
	 * @return false if somebody else has it
	 */
	boolean decide() {
		return this.decided.compareAndSet(false, true);
	}

	boolean isDecided() {
		return this.decided.get();
	}

	/**
	 * Notes that a transaction that acknowledges the message ended without an answer: if
	 * the message is no longer held, then by that transaction.
	 */
	void setUnsure() {
		this.unsure = true;
	}

	boolean isUnsure() {
		return this.unsure;
	}

	/**
	 * Notes that the message is not wanted any more.
	 */
	void setCancelled() {
		this.cancelled = true;
	}

	boolean isCancelled() {
		return this.cancelled;
	}

}
