package io.pgqueue;

/**
 * Is told what happens to messages, for example to count them. Called on the threads that
 * send and settle, so it must be quick. What it throws is logged and ignored.
 */
public interface QueueEventListener {

	/**
	 * Does nothing.
	 */
	QueueEventListener NONE = new QueueEventListener() {
	};

	/**
	 * Messages were sent: called after the commit, or not at all.
	 * @param queue name of the queue
	 * @param count how many
	 */
	default void sent(String queue, long count) {
	}

	/**
	 * A message was handled and acknowledged.
	 * @param queue name of the queue
	 * @param subscription name of the subscription
	 */
	default void completed(String queue, String subscription) {
	}

	/**
	 * A delivery failed.
	 * @param queue name of the queue
	 * @param subscription name of the subscription
	 * @param failure what the handler threw
	 */
	default void failed(String queue, String subscription, Throwable failure) {
	}

	/**
	 * A message became a dead letter.
	 * @param queue name of the queue
	 * @param subscription name of the subscription
	 */
	default void deadLettered(String queue, String subscription) {
	}

	/**
	 * A message was settled after its lease had been lost: it is delivered again.
	 * @param queue name of the queue
	 * @param subscription name of the subscription
	 */
	default void leaseLost(String queue, String subscription) {
	}

	/**
	 * Messages were not delivered because their time to live was over. If they became
	 * dead letters, {@link #deadLettered} is called for each of them as well.
	 * @param queue name of the queue
	 * @param subscription name of the subscription
	 * @param count how many
	 */
	default void expired(String queue, String subscription, long count) {
	}

}
