package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.Map;

import io.pgqueue.client.OutsideTransaction;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.ExpiredMessages;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;

/**
 * Properties of the queues.
 *
 * @param enabled Whether to configure queues.
 * @param schema Database schema that holds the queues.
 * @param datasource Name of the DataSource bean to use; needed if there are several and
 * none is primary.
 * @param migration Schema migration.
 * @param template Sending.
 * @param listener Receiving.
 * @param lease Messages in the hands of a process.
 * @param retry What happens when a handler fails.
 * @param direct Connections outside the pool.
 * @param queues Queues to declare, with settings of their own. The name of a queue with
 * dots needs brackets, as in "[orders.eu]".
 */
@ConfigurationProperties("pgqueue")
public record PgQueueProperties(@DefaultValue("true") boolean enabled, @DefaultValue("pgqueue") String schema,
		@Nullable String datasource, @DefaultValue Migration migration, @DefaultValue Template template,
		@DefaultValue Listener listener, @DefaultValue Lease lease, @DefaultValue Retry retry,
		@DefaultValue Direct direct, @DefaultValue Map<String, Settings> queues) {

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
	 * @param shutdownTimeout How long running handlers may finish when the application
	 * stops.
	 * @param expired What becomes of messages whose time to live is over.
	 */
	public record Listener(@DefaultValue("true") boolean autoStartup, @DefaultValue("1") int concurrency,
			@DefaultValue("" + ContainerOptions.DEFAULT_BATCH_SIZE) int batchSize,
			@DefaultValue("1s") Duration pollInterval, @DefaultValue("20s") Duration shutdownTimeout,
			@DefaultValue("discard") ExpiredMessages expired) {
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
	 */
	public record Retry(@DefaultValue("5") int maxAttempts, @DefaultValue("1s") Duration initial,
			@DefaultValue("2") double multiplier, @DefaultValue("5m") Duration max,
			@DefaultValue("0.2") double jitter) {
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
	 * @param expired What becomes of messages whose time to live is over.
	 */
	public record Settings(@Nullable Integer concurrency, @Nullable Integer batchSize, @Nullable Duration pollInterval,
			@Nullable ExpiredMessages expired) {
	}

}
