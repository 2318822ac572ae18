package io.pgqueue.autoconfigure.health;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.wakeup.NotificationLifecycle;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.health.contributor.AbstractHealthIndicator;
import org.springframework.boot.health.contributor.Health;

/**
 * Up while the schema answers and every running listener has looked into its queue
 * lately.
 */
class PgQueueHealthIndicator extends AbstractHealthIndicator {

	/**
	 * Time without a successful look after which a listener is down, on top of its
	 * longest pause.
	 */
	static final Duration PATIENCE = Duration.ofSeconds(30);

	private final QueueAdmin admin;

	private final QueueListenerRegistry registry;

	private final String schema;

	private final @Nullable NotificationLifecycle notifications;

	PgQueueHealthIndicator(QueueAdmin admin, QueueListenerRegistry registry, String schema,
			@Nullable NotificationLifecycle notifications) {
		super("The queues do not answer");
		this.admin = admin;
		this.registry = registry;
		this.schema = schema;
		this.notifications = notifications;
	}

	@Override
	protected void doHealthCheck(Health.Builder builder) {
		builder.up().withDetail("schema", this.schema).withDetail("queues", this.admin.queues().size());
		builder.withDetail("notifications",
				(this.notifications != null) ? this.notifications.state().name().toLowerCase(Locale.ROOT) : "disabled");
		Map<String, String> listeners = new LinkedHashMap<>();
		for (QueueListenerContainer container : this.registry.containers()) {
			listeners.put(container.options().id(), describe(container, builder));
		}
		builder.withDetail("listeners", listeners);
	}

	private static String describe(QueueListenerContainer container, Health.Builder builder) {
		Duration since = container.sinceLastPoll();
		if (since == null) {
			return "stopped";
		}
		if (since.compareTo(container.longestPause().plus(PATIENCE)) > 0 && !container.isSaturated()) {
			builder.down();
		}
		return "last poll " + since.toMillis() + " ms ago";
	}

}
