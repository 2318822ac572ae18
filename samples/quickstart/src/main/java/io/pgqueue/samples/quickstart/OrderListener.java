package io.pgqueue.samples.quickstart;

import io.pgqueue.annotation.QueueListener;

import org.springframework.stereotype.Component;
import org.springframework.transaction.annotation.Transactional;

/**
 * Confirms orders, apart from the request that placed them. Runs in every instance of the
 * application; each message goes to one of them.
 */
@Component
class OrderListener {

	private static final int LARGEST_QUANTITY = 100;

	private final Orders orders;

	OrderListener(Orders orders) {
		this.orders = orders;
	}

	/**
	 * Handles one message. The transaction confirms the order and acknowledges the
	 * message, both or neither: it happens exactly once, even if this process is killed
	 * half-way. When the method throws, the message comes again after 1, 2, 4 and 8
	 * seconds and then becomes a dead letter, with the text of the exception as its
	 * reason.
	 * @param placed the payload, made from JSON
	 */
	@QueueListener(Orders.QUEUE)
	@Transactional
	void confirm(OrderPlaced placed) {
		if (placed.quantity() > LARGEST_QUANTITY) {
			throw new IllegalArgumentException("Order %d asks for %d pieces, but we sell at most %d at a time"
				.formatted(placed.orderId(), placed.quantity(), LARGEST_QUANTITY));
		}
		this.orders.confirm(placed.orderId());
	}

}
