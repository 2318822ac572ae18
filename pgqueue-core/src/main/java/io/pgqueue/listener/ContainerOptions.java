package io.pgqueue.listener;

import java.time.Duration;

import io.pgqueue.AckMode;
import io.pgqueue.Durations;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.QueueErrorHandler;
import io.pgqueue.RetryPolicy;
import org.jspecify.annotations.Nullable;

import org.springframework.transaction.PlatformTransactionManager;

/**
 * How a listener container works.
 *
 * @param id identity of the container in the registry
 * @param queue name of the queue
 * @param concurrency how many handlers run at a time, from 1 to 10,000
 * @param batchSize most messages claimed at once, and most that a batch handler gets,
 * from 1 to 10,000
 * @param pollInterval longest time between two looks into an idle queue
 * @param retryPolicy what happens when a handler fails
 * @param errorHandler has the last word when a handler fails, or null for nobody
 * @param autoStartup whether the container starts with the application
 * @param virtualThreads whether handlers run on virtual threads
 * @param shutdownTimeout how long handlers may finish when the container stops
 * @param ackMode when a message is acknowledged
 * @param timeout how long a delivery may take before its handler is interrupted and it
 * counts as failed
 * @param transactionManager opens the transactions of {@link AckMode#TRANSACTIONAL}; null
 * in any other mode
 * @param expired what becomes of messages whose time to live is over
 */
public record ContainerOptions(String id, String queue, int concurrency, int batchSize, Duration pollInterval,
		RetryPolicy retryPolicy, @Nullable QueueErrorHandler errorHandler, boolean autoStartup, boolean virtualThreads,
		Duration shutdownTimeout, AckMode ackMode, Duration timeout,
		@Nullable PlatformTransactionManager transactionManager, ExpiredMessages expired) {

	/**
	 * Most messages that are claimed at once by default.
	 */
	public static final int DEFAULT_BATCH_SIZE = 500;

	public ContainerOptions {
		Queue.requireValidName(queue);
		require(concurrency >= 1 && concurrency <= 10_000, id, "concurrency", concurrency, "from 1 to 10000");
		require(batchSize >= 1 && batchSize <= 10_000, id, "batch-size", batchSize, "from 1 to 10000");
		require(pollInterval.compareTo(Duration.ofMillis(1)) >= 0, id, "poll-interval", pollInterval, "at least 1ms");
		require(!shutdownTimeout.isNegative(), id, "shutdown-timeout", shutdownTimeout, "zero or longer");
		pollInterval = Durations.limited(pollInterval);
		shutdownTimeout = Durations.limited(shutdownTimeout);
		require(timeout.compareTo(Duration.ofMillis(1)) >= 0, id, "timeout", timeout, "at least 1ms");
		timeout = Durations.limited(timeout);
		if (ackMode == AckMode.TRANSACTIONAL && transactionManager == null) {
			throw new InvalidConfigurationException("Listener '" + id
					+ "': ackMode is TRANSACTIONAL, but there is no transaction manager: name one of several in"
					+ " transactionManager, or add one that manages the DataSource of the queues");
		}
	}

	/**
	 * Starts to build options.
	 * @param id identity of the container in the registry
	 * @param queue name of the queue
	 * @return a builder with the defaults
	 */
	public static Builder builder(String id, String queue) {
		return new Builder(id, queue);
	}

	private static void require(boolean condition, String id, String name, Object value, String allowed) {
		if (!condition) {
			throw new InvalidConfigurationException(
					"Listener '" + id + "': " + name + " is " + value + ", but must be " + allowed);
		}
	}

	/**
	 * Builds {@link ContainerOptions}.
	 */
	public static final class Builder {

		private final String id;

		private final String queue;

		private int concurrency = 1;

		private int batchSize = DEFAULT_BATCH_SIZE;

		private Duration pollInterval = Duration.ofSeconds(1);

		private RetryPolicy retryPolicy = RetryPolicy.DEFAULT;

		private @Nullable QueueErrorHandler errorHandler;

		private boolean autoStartup = true;

		private boolean virtualThreads = false;

		private Duration shutdownTimeout = Duration.ofSeconds(20);

		private AckMode ackMode = AckMode.AUTO;

		private Duration timeout = Duration.ofMinutes(5);

		private @Nullable PlatformTransactionManager transactionManager;

		private ExpiredMessages expired = ExpiredMessages.DISCARD;

		private Builder(String id, String queue) {
			this.id = id;
			this.queue = queue;
		}

		/**
		 * Sets how many handlers run at a time.
		 * @param concurrency how many handlers run at a time; 1 by default
		 * @return this builder
		 */
		public Builder concurrency(int concurrency) {
			this.concurrency = concurrency;
			return this;
		}

		/**
		 * Sets most messages claimed at once.
		 * @param batchSize most messages claimed at once; 500 by default
		 * @return this builder
		 */
		public Builder batchSize(int batchSize) {
			this.batchSize = batchSize;
			return this;
		}

		/**
		 * Sets longest time between two looks into an idle queue.
		 * @param pollInterval longest time between two looks into an idle queue; 1 s by
		 * default
		 * @return this builder
		 */
		public Builder pollInterval(Duration pollInterval) {
			this.pollInterval = pollInterval;
			return this;
		}

		/**
		 * Sets what happens when a handler fails.
		 * @param retryPolicy what happens when a handler fails;
		 * {@link RetryPolicy#DEFAULT} by default
		 * @return this builder
		 */
		public Builder retryPolicy(RetryPolicy retryPolicy) {
			this.retryPolicy = retryPolicy;
			return this;
		}

		/**
		 * Sets who has the last word when a handler fails.
		 * @param errorHandler has the last word when a handler fails; nobody by default
		 * @return this builder
		 */
		public Builder errorHandler(@Nullable QueueErrorHandler errorHandler) {
			this.errorHandler = errorHandler;
			return this;
		}

		/**
		 * Sets whether the container starts with the application.
		 * @param autoStartup whether the container starts with the application; true by
		 * default
		 * @return this builder
		 */
		public Builder autoStartup(boolean autoStartup) {
			this.autoStartup = autoStartup;
			return this;
		}

		/**
		 * Sets whether handlers run on virtual threads.
		 * @param virtualThreads whether handlers run on virtual threads; false by default
		 * @return this builder
		 */
		public Builder virtualThreads(boolean virtualThreads) {
			this.virtualThreads = virtualThreads;
			return this;
		}

		/**
		 * Sets how long handlers may finish when the container stops.
		 * @param shutdownTimeout how long handlers may finish when the container stops;
		 * 20 s by default
		 * @return this builder
		 */
		public Builder shutdownTimeout(Duration shutdownTimeout) {
			this.shutdownTimeout = shutdownTimeout;
			return this;
		}

		/**
		 * Sets when a message is acknowledged.
		 * @param ackMode when a message is acknowledged; {@link AckMode#AUTO} by default
		 * @return this builder
		 */
		public Builder ackMode(AckMode ackMode) {
			this.ackMode = ackMode;
			return this;
		}

		/**
		 * Sets how long a delivery may take.
		 * @param timeout how long a delivery may take before its handler is interrupted
		 * and it counts as failed; 5 min by default
		 * @return this builder
		 */
		public Builder timeout(Duration timeout) {
			this.timeout = timeout;
			return this;
		}

		/**
		 * Sets what opens the transactions of {@link AckMode#TRANSACTIONAL}.
		 * @param transactionManager a transaction manager of the DataSource of the queues
		 * @return this builder
		 */
		public Builder transactionManager(@Nullable PlatformTransactionManager transactionManager) {
			this.transactionManager = transactionManager;
			return this;
		}

		/**
		 * Sets what becomes of messages whose time to live is over.
		 * @param expired what becomes of them; they are discarded by default
		 * @return this builder
		 */
		public Builder expired(ExpiredMessages expired) {
			this.expired = expired;
			return this;
		}

		/**
		 * Builds the options.
		 * @return the options
		 * @throws InvalidConfigurationException if one of them is out of range
		 */
		public ContainerOptions build() {
			return new ContainerOptions(this.id, this.queue, this.concurrency, this.batchSize, this.pollInterval,
					this.retryPolicy, this.errorHandler, this.autoStartup, this.virtualThreads, this.shutdownTimeout,
					this.ackMode, this.timeout, this.transactionManager, this.expired);
		}

	}

}
