package io.pgqueue.listener;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the handlers of one container have in hand, and the watch over the time they have:
 * one that is over is interrupted, one that ignores it is given up, and a delivery that
 * nobody settles in time fails.
 */
final class OpenHandlings {

	/**
	 * How long a handler may ignore the interrupt before it is given up.
	 */
	static final Duration GRACE = Duration.ofSeconds(2);

	private static final Logger logger = LoggerFactory.getLogger(OpenHandlings.class);

	private final ContainerOptions options;

	private final MessageProcessor processor;

	private final Set<Handling> open = ConcurrentHashMap.newKeySet();

	OpenHandlings(ContainerOptions options, MessageProcessor processor) {
		this.options = options;
		this.processor = processor;
	}

	void add(Handling handling) {
		this.open.add(handling);
	}

	void remove(Handling handling) {
		this.open.remove(handling);
	}

	/**
	 * Frees the slot of a handling that outlived its handler's call, once it is settled.
	 */
	void closeIfDecided(Handling handling) {
		if (handling.isDecided() && handling.slot().release()) {
			this.open.remove(handling);
		}
	}

	/**
	 * Looks whose time is over.
	 * @param now monotonic time
	 */
	void checkTimes(long now) {
		for (Handling handling : this.open) {
			long overdue = handling.overdue(now);
			if (overdue >= 0) {
				end(handling, overdue);
			}
		}
	}

	/**
	 * Has messages given up that are not wanted any more, as far as that is possible. One
	 * in a batch is not, because the rest of it is wanted.
	 */
	void cancel(Set<Long> ids) {
		for (Handling handling : this.open) {
			Delivery delivery = handling.deliveries().get(0);
			if (handling.deliveries().size() > 1 || !ids.contains(delivery.message().id())) {
				continue;
			}
			delivery.setCancelled();
			if (handling.interrupt() == null) {
				this.processor.release(delivery);
				closeIfDecided(handling);
			}
		}
	}

	private void end(Handling handling, long overdue) {
		boolean first = !handling.isInterrupted();
		Thread thread = handling.interrupt();
		if (thread == null) {
			if (handling.isCommitting()) {
				return;
			}
			this.processor.failAll(handling, this.processor.timedOut());
			closeIfDecided(handling);
		}
		else if (first) {
			logger.warn("Handler '{}' runs longer than {}: interrupting it", this.options.id(), this.options.timeout());
		}
		else if (overdue >= GRACE.toNanos() && handling.slot().abandon()) {
			this.open.remove(handling);
			logger.error("Handler '{}' ignores the interrupt: its thread {} is given up, at {}", this.options.id(),
					thread.getName(), position(thread));
			if (!handling.isCommitting()) {
				this.processor.conclude(handling, this.processor.timedOut());
			}
		}
	}

	private static String position(Thread thread) {
		return Stream.of(thread.getStackTrace())
			.limit(5)
			.map(StackTraceElement::toString)
			.collect(Collectors.joining(" < "));
	}

	/**
	 * Interrupts the handlers that still run, and gives back what others than handlers
	 * have not settled.
	 */
	void stop() {
		for (Handling handling : this.open) {
			if (handling.interrupt() == null) {
				handling.deliveries().forEach(this.processor::release);
				closeIfDecided(handling);
			}
		}
	}

}
