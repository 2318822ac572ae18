package io.pgqueue.autoconfigure.health;

import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.autoconfigure.PgQueueAutoConfiguration;
import io.pgqueue.autoconfigure.PgQueueProperties;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.wakeup.NotificationLifecycle;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;

/**
 * Auto-configuration of the health contributor {@code pgqueue}.
 */
@AutoConfiguration(after = PgQueueAutoConfiguration.class,
		beforeName = "org.springframework.boot.health.autoconfigure.contributor.HealthContributorAutoConfiguration")
@ConditionalOnClass({ HealthIndicator.class, ConditionalOnEnabledHealthIndicator.class })
@ConditionalOnEnabledHealthIndicator("pgqueue")
@ConditionalOnBean({ QueueAdmin.class, QueueListenerRegistry.class, PgQueueProperties.class })
public final class PgQueueHealthAutoConfiguration {

	@Bean
	@ConditionalOnMissingBean(name = "pgqueueHealthIndicator")
	HealthIndicator pgqueueHealthIndicator(QueueAdmin admin, QueueListenerRegistry registry,
			PgQueueProperties properties, ObjectProvider<NotificationLifecycle> notifications) {
		return new PgQueueHealthIndicator(admin, registry, properties.schema(), notifications.getIfAvailable());
	}

}
