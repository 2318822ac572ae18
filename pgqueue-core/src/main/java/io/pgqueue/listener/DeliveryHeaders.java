package io.pgqueue.listener;

import java.util.LinkedHashMap;
import java.util.Map;

import io.pgqueue.QueueHeaders;
import io.pgqueue.QueueMessage;
import io.pgqueue.engine.ClaimedMessage;

import org.springframework.messaging.MessageHeaders;

/**
 * Headers of one delivered message: those of the sender and those of the library. Without
 * the random id and the timestamp that Spring adds by default.
 */
final class DeliveryHeaders extends MessageHeaders {

	private static final long NO_TIMESTAMP = -1L;

	private final transient ClaimedMessage message;

	private final transient Map<String, Object> sent;

	private final String queue;

	DeliveryHeaders(ClaimedMessage message, String queue, Map<String, Object> sent) {
		super(sent, ID_VALUE_NONE, NO_TIMESTAMP);
		this.message = message;
		this.queue = queue;
		this.sent = sent;
		Map<String, Object> all = getRawHeaders();
		all.put(QueueHeaders.ID, message.id());
		all.put(QueueHeaders.QUEUE, queue);
		all.put(QueueHeaders.SUBSCRIPTION, Delivery.SUBSCRIPTION);
		all.put(QueueHeaders.ATTEMPT, message.attempt());
		all.put(QueueHeaders.ENQUEUED_AT, message.enqueuedAt());
	}

	<T> QueueMessage<T> toQueueMessage(T payload) {
		return new QueueMessage<>(this.message.id(), this.queue, payload, senders(), this.message.attempt(),
				this.message.enqueuedAt());
	}

	/**
	 * The headers of the sender, which may be sent on: those that a redrive has added may
	 * not.
	 */
	private Map<String, Object> senders() {
		if (!this.sent.containsKey(QueueHeaders.REDRIVES)) {
			return this.sent;
		}
		Map<String, Object> senders = new LinkedHashMap<>(this.sent);
		senders.keySet().removeIf((name) -> name.startsWith(QueueHeaders.PREFIX));
		return senders;
	}

}
