package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.Map;
import java.util.Set;

import io.pgqueue.RetryPolicy;
import io.pgqueue.client.OutsideTransaction;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.ExpiredMessages;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.boot.context.properties.bind.Name;
import org.springframework.util.unit.DataSize;

/**
 * Properties of the queues.
 *
 * @param enabled Whether to configure queues.
 * @param schema Database schema that holds the queues.
 * @param datasource Name of the DataSource bean to use; needed if there are several and
 * none is primary.
 * @param instance Name of this process. One that starts with the name of a process that
 * has ended takes back its messages at once. Host name and process id by default.
 * @param migration Schema migration.
 * @param template Sending.
 * @param listener Receiving.
 * @param lease Messages in the hands of a process.
 * @param retry What happens when a handler fails.
 * @param deadLetters Messages that were given up.
 * @param direct Connections outside the pool.
 * @param notifications Notifications between processes.
 * @param queues Queues to declare, with settings of their own. The name of a queue with
 * dots needs brackets, as in "[orders.eu]".
 */
@ConfigurationProperties("pgqueue")
public record PgQueueProperties(@DefaultValue("true") boolean enabled, @DefaultValue("pgqueue") String schema,
		@Nullable String datasource, @Nullable String instance, @DefaultValue Migration migration,
		@DefaultValue Template template, @DefaultValue Listener listener, @DefaultValue Lease lease,
		@DefaultValue Retry retry, @DefaultValue DeadLetters deadLetters, @DefaultValue Direct direct,
		@Name("notify") @DefaultValue Notify notifications, @DefaultValue Map<String, Settings> queues) {

	RetryPolicy retryPolicy(String queue) {
		RetryPolicy all = this.retry.toPolicy();
		Settings own = this.queues.get(queue);
		return (own != null) ? own.retry().over(all) : all;
	}

	String instanceName() {
		return (this.instance != null) ? this.instance : ProcessName.current();
	}

	/**
	 * Schema migration.
	 *
	 * @param enabled Whether to create and upgrade the schema at start. If not, the start
	 * checks that the schema is complete.
	 */
	public record Migration(@DefaultValue("true") boolean enabled) {
	}

	/**
	 * Sending.
	 *
	 * @param maxPayload Largest payload, as JSON in UTF-8.
	 * @param outsideTransaction What a send does when there is no transaction that it
	 * could join.
	 */
	public record Template(@DefaultValue("1MB") DataSize maxPayload,
			@DefaultValue("allow") OutsideTransaction outsideTransaction) {
	}

	/**
	 * Receiving.
	 *
	 * @param autoStartup Whether listeners start with the application.
	 * @param concurrency How many messages, or batches, a listener handles at a time.
	 * @param batchSize Most messages that a listener claims at once. How many it really
	 * claims follows the time that its handler takes.
	 * @param pollInterval Longest time between two looks into an idle queue.
	 * @param timeout How long a delivery may take before its handler is interrupted and
	 * it counts as failed.
	 * @param shutdownTimeout How long running handlers may finish when the application
	 * stops.
	 * @param expired What becomes of messages whose time to live is over.
	 */
	public record Listener(@DefaultValue("true") boolean autoStartup, @DefaultValue("1") int concurrency,
			@DefaultValue("" + ContainerOptions.DEFAULT_BATCH_SIZE) int batchSize,
			@DefaultValue("1s") Duration pollInterval, @DefaultValue("5m") Duration timeout,
			@DefaultValue("20s") Duration shutdownTimeout, @DefaultValue("discard") ExpiredMessages expired) {
	}

	/**
	 * Messages in the hands of a process.
	 *
	 * @param timeout How long without a sign of life a process is taken to be alive. What
	 * a dead process held is delivered again.
	 * @param heartbeat Time between two signs of life; a third of the timeout by default.
	 */
	public record Lease(@DefaultValue("30s") Duration timeout, @Nullable Duration heartbeat) {
	}

	/**
	 * What happens when a handler fails.
	 *
	 * @param maxAttempts Deliveries before a message becomes a dead letter.
	 * @param initial Delay before the second delivery.
	 * @param multiplier Factor from one delay to the next.
	 * @param max Longest delay.
	 * @param jitter Share of the delay that is random, from 0 to 1.
	 * @param retryable Types of exceptions that another attempt may help. If there are
	 * any, every other exception makes a dead letter at once.
	 * @param fatal Types of exceptions that make a dead letter at once, even if they are
	 * retryable too.
	 */
	public record Retry(@DefaultValue("5") int maxAttempts, @DefaultValue("1s") Duration initial,
			@DefaultValue("2") double multiplier, @DefaultValue("5m") Duration max, @DefaultValue("0.2") double jitter,
			@DefaultValue Set<Class<? extends Throwable>> retryable,
			@DefaultValue Set<Class<? extends Throwable>> fatal) {

		RetryPolicy toPolicy() {
			return new RetryPolicy(this.maxAttempts, this.initial, this.multiplier, this.max, this.jitter,
					this.retryable, this.fatal);
		}

	}

	/**
	 * Messages that were given up.
	 *
	 * @param retention How long dead letters are kept; for ever by default.
	 */
	public record DeadLetters(@Nullable Duration retention) {
	}

	/**
	 * Notifications between processes.
	 *
	 * @param enabled Whether processes notify each other of new messages. If not, or
	 * while notifications do not arrive, they poll.
	 * @param pollInterval Longest time between two looks into the idle queues while
	 * notifications arrive: one for all of them, at each heartbeat at least.
	 */
	public record Notify(@DefaultValue("true") boolean enabled, @DefaultValue("10s") Duration pollInterval) {
	}

	/**
	 * Connections outside the pool.
	 *
	 * @param url JDBC URL; the DataSource's own by default. Set it if that leads to a
	 * connection pooler.
	 * @param user User; the DataSource's own by default.
	 * @param password Password; the DataSource's own by default.
	 */
	public record Direct(@Nullable String url, @Nullable String user, @Nullable String password) {

		@Override
		public String toString() {
			String shown = (this.url != null) ? this.url.replaceAll("\\?.*", "?...") : null;
			return "Direct[url=" + shown + ", user=" + this.user + "]";
		}

	}

	/**
	 * Settings of one queue.
	 *
	 * @param concurrency How many messages, or batches, a listener handles at a time.
	 * @param batchSize Most messages that a listener claims at once.
	 * @param pollInterval Longest time between two looks into the idle queue.
	 * @param timeout How long a delivery may take before its handler is interrupted and
	 * it counts as failed.
	 * @param expired What becomes of messages whose time to live is over.
	 * @param retry What happens when a handler fails; the settings for all queues where
	 * this is silent.
	 */
	public record Settings(@Nullable Integer concurrency, @Nullable Integer batchSize, @Nullable Duration pollInterval,
			@Nullable Duration timeout, @Nullable ExpiredMessages expired, @DefaultValue QueueRetry retry) {
	}

	/**
	 * What happens when a handler of one queue fails.
	 *
	 * @param maxAttempts Deliveries before a message becomes a dead letter.
	 * @param initial Delay before the second delivery.
	 * @param multiplier Factor from one delay to the next.
	 * @param max Longest delay.
	 * @param jitter Share of the delay that is random, from 0 to 1.
	 * @param retryable Types of exceptions that another attempt may help. If there are
	 * any, every other exception makes a dead letter at once.
	 * @param fatal Types of exceptions that make a dead letter at once, even if they are
	 * retryable too.
	 */
	public record QueueRetry(@Nullable Integer maxAttempts, @Nullable Duration initial, @Nullable Double multiplier,
			@Nullable Duration max, @Nullable Double jitter, @Nullable Set<Class<? extends Throwable>> retryable,
			@Nullable Set<Class<? extends Throwable>> fatal) {

		RetryPolicy over(RetryPolicy all) {
			return new RetryPolicy(or(this.maxAttempts, all.maxAttempts()), or(this.initial, all.initial()),
					or(this.multiplier, all.multiplier()), or(this.max, all.max()), or(this.jitter, all.jitter()),
					or(this.retryable, all.retryable()), or(this.fatal, all.fatal()));
		}

		private static <T> T or(@Nullable T own, T all) {
			return (own != null) ? own : all;
		}

	}

}
