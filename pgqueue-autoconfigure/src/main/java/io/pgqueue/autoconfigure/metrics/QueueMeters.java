package io.pgqueue.autoconfigure.metrics;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.pgqueue.QueueEventListener;

import org.springframework.util.ClassUtils;

/**
 * Counts what happens to messages. All counters have the same keys, because some
 * registries refuse mixed ones; what does not apply is {@code none}.
 */
class QueueMeters implements QueueEventListener {

	private static final String NONE = "none";

	private final MeterRegistry registry;

	private final Map<Key, Counter> counters = new ConcurrentHashMap<>();

	QueueMeters(MeterRegistry registry) {
		this.registry = registry;
	}

	@Override
	public void sent(String queue, long count) {
		counter("pgqueue.sent", queue, NONE, NONE).increment(count);
	}

	@Override
	public void completed(String queue, String subscription) {
		counter("pgqueue.completed", queue, subscription, NONE).increment();
	}

	@Override
	public void failed(String queue, String subscription, Throwable failure) {
		counter("pgqueue.failed", queue, subscription, ClassUtils.getShortName(failure.getClass())).increment();
	}

	@Override
	public void deadLettered(String queue, String subscription) {
		counter("pgqueue.dead", queue, subscription, NONE).increment();
	}

	@Override
	public void leaseLost(String queue, String subscription) {
		counter("pgqueue.lease.lost", queue, subscription, NONE).increment();
	}

	@Override
	public void expired(String queue, String subscription, long count) {
		counter("pgqueue.expired", queue, subscription, NONE).increment(count);
	}

	private Counter counter(String name, String queue, String subscription, String exception) {
		return this.counters.computeIfAbsent(new Key(name, queue, subscription, exception),
				(key) -> Counter.builder(name)
					.tag("queue", queue)
					.tag("subscription", subscription)
					.tag("exception", exception)
					.register(this.registry));
	}

	/**
	 * A counter's identity.
	 *
	 * @param name name of the meter
	 * @param queue name of the queue
	 * @param subscription name of the subscription
	 * @param exception simple class name of what was thrown
	 */
	private record Key(String name, String queue, String subscription, String exception) {
	}

}
