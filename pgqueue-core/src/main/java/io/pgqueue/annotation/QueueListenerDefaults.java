package io.pgqueue.annotation;

import io.pgqueue.listener.ContainerOptions;

/**
 * Applies settings to a container before the attributes of its
 * {@link QueueListener @QueueListener}. The library has one for what is configured for
 * all listeners or for one queue; applications publish beans of this type for groups of
 * listeners, which {@link QueueListener#containerFactory()} names.
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
