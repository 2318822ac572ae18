package io.pgqueue.autoconfigure.metrics;

import io.micrometer.core.instrument.MeterRegistry;
import io.pgqueue.autoconfigure.PgQueueAutoConfiguration;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.wakeup.NotificationLifecycle;

import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.annotation.Bean;

/**
 * Auto-configuration of the meters {@code pgqueue.*}.
 */
@AutoConfiguration(after = PgQueueAutoConfiguration.class,
		afterName = "org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration")
@ConditionalOnClass(MeterRegistry.class)
@ConditionalOnSingleCandidate(MeterRegistry.class)
@ConditionalOnBean(QueueListenerRegistry.class)
@ConditionalOnBooleanProperty(name = "pgqueue.enabled", matchIfMissing = true)
public final class PgQueueMetricsAutoConfiguration {

	@Bean
	QueueMeters pgQueueMeters(MeterRegistry registry) {
		return new QueueMeters(registry);
	}

	@Bean
	@ConditionalOnBean(NotificationLifecycle.class)
	NotificationMeter pgQueueNotificationMeter(MeterRegistry registry, NotificationLifecycle notifications) {
		return new NotificationMeter(registry, notifications);
	}

}
