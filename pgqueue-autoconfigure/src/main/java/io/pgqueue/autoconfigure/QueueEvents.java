package io.pgqueue.autoconfigure;

import java.util.List;

import io.pgqueue.QueueEventListener;

/**
 * Passes events on to every listener bean.
 */
final class QueueEvents implements QueueEventListener {

	private final List<QueueEventListener> listeners;

	private QueueEvents(List<QueueEventListener> listeners) {
		this.listeners = listeners;
	}

	static QueueEventListener of(List<QueueEventListener> listeners) {
		return (listeners.size() == 1) ? listeners.get(0) : new QueueEvents(listeners);
	}

	@Override
	public void sent(String queue, long count) {
		this.listeners.forEach((listener) -> listener.sent(queue, count));
	}

	@Override
	public void completed(String queue, String subscription) {
		this.listeners.forEach((listener) -> listener.completed(queue, subscription));
	}

	@Override
	public void failed(String queue, String subscription, Throwable failure) {
		this.listeners.forEach((listener) -> listener.failed(queue, subscription, failure));
	}

	@Override
	public void deadLettered(String queue, String subscription) {
		this.listeners.forEach((listener) -> listener.deadLettered(queue, subscription));
	}

	@Override
	public void leaseLost(String queue, String subscription) {
		this.listeners.forEach((listener) -> listener.leaseLost(queue, subscription));
	}

}
