package io.pgqueue.autoconfigure;

import io.pgqueue.QueueErrorHandler;
import io.pgqueue.RetryPolicy;
import io.pgqueue.annotation.QueueListenerDefaults;
import io.pgqueue.listener.ContainerOptions;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.PropertyMapper;

/**
 * Applies the properties to a listener: those for all, then those of its queue.
 */
class ListenerDefaults implements QueueListenerDefaults {

	private final PgQueueProperties properties;

	private final RetryPolicy retryPolicy;

	private final boolean virtualThreads;

	private final @Nullable QueueErrorHandler errorHandler;

	ListenerDefaults(PgQueueProperties properties, boolean virtualThreads, @Nullable QueueErrorHandler errorHandler) {
		this.properties = properties;
		this.retryPolicy = properties.retry().toPolicy();
		this.virtualThreads = virtualThreads;
		this.errorHandler = errorHandler;
	}

	@Override
	public void apply(String queue, ContainerOptions.Builder options) {
		PgQueueProperties.Listener all = this.properties.listener();
		options.concurrency(all.concurrency())
			.batchSize(all.batchSize())
			.pollInterval(all.pollInterval())
			.autoStartup(all.autoStartup())
			.timeout(all.timeout())
			.shutdownTimeout(all.shutdownTimeout())
			.expired(all.expired())
			.retryPolicy(this.retryPolicy)
			.errorHandler(this.errorHandler)
			.virtualThreads(this.virtualThreads);
		PgQueueProperties.Settings own = this.properties.queues().get(queue);
		if (own != null) {
			PropertyMapper map = PropertyMapper.get();
			map.from(own::concurrency).to(options::concurrency);
			map.from(own::batchSize).to(options::batchSize);
			map.from(own::pollInterval).to(options::pollInterval);
			map.from(own::timeout).to(options::timeout);
			map.from(own::expired).to(options::expired);
			options.retryPolicy(own.retry().over(this.retryPolicy));
		}
	}

}
