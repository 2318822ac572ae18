package io.pgqueue;

import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Passes events on to several listeners. What one of them throws is logged once and harms
 * neither the others nor the messages. Used by the library for what applications give it.
 */
public final class QueueEventListeners implements QueueEventListener {

	private static final Logger logger = LoggerFactory.getLogger(QueueEventListeners.class);

	private final List<QueueEventListener> listeners;

	private final AtomicBoolean warned = new AtomicBoolean();

	private QueueEventListeners(List<QueueEventListener> listeners) {
		this.listeners = listeners;
	}

	/**
	 * Combines listeners.
	 * @param listeners the listeners, in order
	 * @return one that calls all of them and never throws
	 */
	public static QueueEventListener of(List<QueueEventListener> listeners) {
		boolean safe = listeners.size() == 1 && listeners.get(0) instanceof QueueEventListeners;
		return safe ? listeners.get(0) : new QueueEventListeners(List.copyOf(listeners));
	}

	// On a thread of the application.
	@Override
	public void sent(String queue, long count) {
		tell((listener) -> listener.sent(queue, count));
	}

	@Override
	public void completed(String queue, String subscription) {
		tellFromOwnThread((listener) -> listener.completed(queue, subscription));
	}

	@Override
	public void failed(String queue, String subscription, Throwable failure) {
		tellFromOwnThread((listener) -> listener.failed(queue, subscription, failure));
	}

	@Override
	public void deadLettered(String queue, String subscription) {
		tellFromOwnThread((listener) -> listener.deadLettered(queue, subscription));
	}

	@Override
	public void leaseLost(String queue, String subscription) {
		tellFromOwnThread((listener) -> listener.leaseLost(queue, subscription));
	}

	@Override
	public void expired(String queue, String subscription, long count) {
		tellFromOwnThread((listener) -> listener.expired(queue, subscription, count));
	}

	// A listener that interrupts its thread would end it.
	private void tellFromOwnThread(Consumer<QueueEventListener> event) {
		boolean before = Thread.currentThread().isInterrupted();
		tell(event);
		if (!before) {
			Thread.interrupted();
		}
	}

	private void tell(Consumer<QueueEventListener> event) {
		for (QueueEventListener listener : this.listeners) {
			try {
				event.accept(listener);
			}
			// Also what only other languages can throw here.
			catch (Throwable ex) {
				if (this.warned.compareAndSet(false, true)) {
					logger.warn("{} threw an exception, which is ignored from now on", listener.getClass().getName(),
							ex);
				}
			}
		}
	}

}
