package io.pgqueue.autoconfigure;

import io.pgqueue.RetryPolicy;
import io.pgqueue.annotation.QueueListenerDefaults;
import io.pgqueue.listener.ContainerOptions;

import org.springframework.boot.context.properties.PropertyMapper;

/**
 * Applies the properties to a listener: those for all, then those of its queue.
 */
class ListenerDefaults implements QueueListenerDefaults {

	private final PgQueueProperties properties;

	private final RetryPolicy retryPolicy;

	private final boolean virtualThreads;

	ListenerDefaults(PgQueueProperties properties, boolean virtualThreads) {
		this.properties = properties;
		this.virtualThreads = virtualThreads;
		PgQueueProperties.Retry retry = properties.retry();
		this.retryPolicy = new RetryPolicy(retry.maxAttempts(), retry.initial(), retry.multiplier(), retry.max(),
				retry.jitter());
	}

	@Override
	public void apply(String queue, ContainerOptions.Builder options) {
		PgQueueProperties.Listener all = this.properties.listener();
		options.concurrency(all.concurrency())
			.batchSize(all.batchSize())
			.pollInterval(all.pollInterval())
			.autoStartup(all.autoStartup())
			.shutdownTimeout(all.shutdownTimeout())
			.expired(all.expired())
			.retryPolicy(this.retryPolicy)
			.virtualThreads(this.virtualThreads);
		PgQueueProperties.Settings own = this.properties.queues().get(queue);
		if (own != null) {
			PropertyMapper map = PropertyMapper.get();
			map.from(own::concurrency).to(options::concurrency);
			map.from(own::batchSize).to(options::batchSize);
			map.from(own::pollInterval).to(options::pollInterval);
			map.from(own::expired).to(options::expired);
		}
	}

}
