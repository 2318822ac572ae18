package io.pgqueue.admin;

import java.time.Instant;

import io.pgqueue.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Chooses dead letters: those to which all that is set applies. Start with
 * {@link #ofQueue(String)} or {@link #all()}.
 *
 * @param queue name of the queue, {@code null} for all queues
 * @param subscription name of the subscription that gave them up, {@code null} for all
 * @param errorClass full name of the class that was thrown last, without subclasses,
 * {@code null} for all
 * @param from only those that died then or later by the database's clock, {@code null}
 * for no limit
 * @param to only those that died before then, {@code null} for no limit
 */
public record DeadLetterFilter(@Nullable String queue, @Nullable String subscription, @Nullable String errorClass,
		@Nullable Instant from, @Nullable Instant to) {

	/**
	 * Creates a filter.
	 * @throws io.pgqueue.InvalidConfigurationException if no queue can have the name
	 * @throws IllegalArgumentException if nothing can lie between the two times
	 */
	public DeadLetterFilter {
		if (queue != null) {
			Queue.requireValidName(queue);
		}
		if (from != null && to != null && !from.isBefore(to)) {
			throw new IllegalArgumentException("from is " + from + ", but must be before to, which is " + to);
		}
	}

	/**
	 * Chooses all dead letters of all queues.
	 * @return the filter
	 */
	public static DeadLetterFilter all() {
		return new DeadLetterFilter(null, null, null, null, null);
	}

	/**
	 * Chooses all dead letters of a queue.
	 * @param queue name of the queue
	 * @return the filter
	 * @throws io.pgqueue.InvalidConfigurationException if no queue can have the name
	 */
	public static DeadLetterFilter ofQueue(String queue) {
		return new DeadLetterFilter(Queue.requireValidName(queue), null, null, null, null);
	}

	/**
	 * Returns this filter with a subscription.
	 * @param subscription name of the subscription
	 * @return the new filter
	 */
	public DeadLetterFilter withSubscription(String subscription) {
		return new DeadLetterFilter(this.queue, subscription, this.errorClass, this.from, this.to);
	}

	/**
	 * Returns this filter with an error class.
	 * @param errorClass full name of the class
	 * @return the new filter
	 */
	public DeadLetterFilter withErrorClass(String errorClass) {
		return new DeadLetterFilter(this.queue, this.subscription, errorClass, this.from, this.to);
	}

	/**
	 * Returns this filter with a range of time.
	 * @param from the first moment, {@code null} for no limit
	 * @param to the first moment after the last, {@code null} for no limit
	 * @return the new filter
	 * @throws IllegalArgumentException if nothing can lie between the two
	 */
	public DeadLetterFilter withTime(@Nullable Instant from, @Nullable Instant to) {
		return new DeadLetterFilter(this.queue, this.subscription, this.errorClass, from, to);
	}

}
