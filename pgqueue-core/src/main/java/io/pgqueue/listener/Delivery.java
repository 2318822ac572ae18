package io.pgqueue.listener;

import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Leases.Held;

/**
 * A claimed message on its way through a container.
 *
 * @param message the message, not decoded
 * @param lease the lease it was claimed under
 * @param container the container it was claimed for
 */
record Delivery(ClaimedMessage message, Lease lease, ContainerOptions container) {

	/**
	 * The subscription that containers read for.
	 */
	static final String SUBSCRIPTION = "default";

	Held held() {
		return new Held(this.lease.number(), this.message.id());
	}

}
