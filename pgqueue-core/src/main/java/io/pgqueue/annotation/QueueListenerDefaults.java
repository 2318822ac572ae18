package io.pgqueue.annotation;

import io.pgqueue.listener.ContainerOptions;

/**
 * Applies what is configured for all listeners, or for one queue, before the attributes
 * of a {@link QueueListener @QueueListener}.
 */
@FunctionalInterface
public interface QueueListenerDefaults {

	/**
	 * Sets options.
	 * @param queue name of the queue
	 * @param options the options to set
	 */
	void apply(String queue, ContainerOptions.Builder options);

}
