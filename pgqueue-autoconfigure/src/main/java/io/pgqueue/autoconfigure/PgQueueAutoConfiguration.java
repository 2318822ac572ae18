package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;

import javax.sql.DataSource;

import io.pgqueue.Queue;
import io.pgqueue.QueueErrorHandler;
import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueEventListeners;
import io.pgqueue.QueueOperations;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListenerAnnotationBeanPostProcessor;
import io.pgqueue.annotation.QueueListenerRegistrar;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.Notifications;
import io.pgqueue.listener.HandlerMethodFactory;
import io.pgqueue.listener.JsonPayloadConverter;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.listener.QueueReceiver;
import io.pgqueue.wakeup.NotificationLifecycle;
import io.pgqueue.wakeup.NotificationListener;
import io.pgqueue.wakeup.Notifier;
import io.pgqueue.wakeup.Sign;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.QueueWorker;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.LazyInitializationExcludeFilter;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.metadata.DataSourcePoolMetadataProvider;
import org.springframework.boot.thread.Threading;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.Environment;
import org.springframework.validation.Validator;

/**
 * Auto-configuration of queues in the application's PostgreSQL database.
 */
@AutoConfiguration(after = DataSourceAutoConfiguration.class,
		afterName = "org.springframework.boot.jackson.autoconfigure.JacksonAutoConfiguration")
@ConditionalOnBean(DataSource.class)
@ConditionalOnBooleanProperty(name = "pgqueue.enabled", matchIfMissing = true)
@EnableConfigurationProperties(PgQueueProperties.class)
public final class PgQueueAutoConfiguration {

	@Bean
	static LazyInitializationExcludeFilter pgQueueListenersAreNotLazy() {
		return (beanName, definition, type) -> type == QueueListenerRegistry.class
				|| type == NotificationLifecycle.class || type == DeclaredQueues.class
				|| QueueListenerAnnotationBeanPostProcessor.hasListeners(type);
	}

	@Bean
	static QueueListenerAnnotationBeanPostProcessor pgQueueListenerAnnotationBeanPostProcessor(
			ObjectProvider<QueueListenerRegistrar> registrar) {
		return new QueueListenerAnnotationBeanPostProcessor(registrar::getObject);
	}

	@Bean
	DataSources pgQueueDataSources(ListableBeanFactory beans, PgQueueProperties properties) {
		return DataSources.of(beans, properties);
	}

	@Bean
	SchemaInitializer pgQueueSchemaInitializer(DataSources dataSources, PgQueueProperties properties) {
		return new SchemaInitializer(dataSources, properties);
	}

	@Bean
	Infrastructure pgQueueInfrastructure(DataSources dataSources, PgQueueProperties properties,
			SchemaInitializer initialized, ObjectProvider<QueueEventListener> events) {
		return new Infrastructure(dataSources.pooled(), dataSources.direct(), properties.schema(), new WakeUps(),
				QueueEventListeners.of(events.orderedStream().toList()));
	}

	@Bean
	@ConditionalOnMissingBean
	QueueListenerRegistry queueListenerRegistry(Infrastructure infrastructure, PgQueueProperties properties,
			ObjectProvider<DataSourcePoolMetadataProvider> pools) {
		Duration timeout = properties.lease().timeout();
		Duration heartbeat = (properties.lease().heartbeat() != null) ? properties.lease().heartbeat()
				: timeout.dividedBy(3);
		QueueWorker worker = new QueueWorker(infrastructure.direct(), infrastructure.schema(),
				properties.instanceName(), timeout, heartbeat, infrastructure.wakeUps(),
				properties.deadLetters().retention());
		return new QueueListenerRegistry(infrastructure.pooled(), infrastructure.schema(), worker,
				infrastructure.wakeUps(), infrastructure.events(),
				HandlerTransactionLimit.of(infrastructure.pooled(), pools.orderedStream().toList()));
	}

	@Bean
	@ConditionalOnBooleanProperty(name = "pgqueue.notify.enabled", matchIfMissing = true)
	NotificationLifecycle pgQueueNotificationLifecycle(Infrastructure infrastructure, PgQueueProperties properties,
			QueueListenerRegistry registry) {
		Notifications notifications = new Notifications(new Database(infrastructure.pooled(), infrastructure.schema()));
		String process = UUID.randomUUID().toString();
		Notifier notifier = new Notifier(
				(news) -> notifications.announce(process, news.queues(),
						news.signs().stream().map(Sign::code).collect(Collectors.toSet())),
				infrastructure.wakeUps().outages());
		infrastructure.wakeUps().announceTo(notifier);
		NotificationListener listener = new NotificationListener(infrastructure.direct(), infrastructure.schema(),
				process, (echo) -> notifications.announce(echo, Set.of(), Set.of()), infrastructure.wakeUps(),
				properties.notifications().pollInterval());
		return new NotificationLifecycle(notifier, listener, () -> !registry.containers().isEmpty(),
				QueueListenerRegistry.PHASE - 1);
	}

	@Bean
	DeclaredQueues pgQueueDeclaredQueues(QueueListenerRegistry registry, ObjectProvider<Queue> queues,
			ConfigurableEnvironment environment) {
		return new DeclaredQueues(registry, queues.orderedStream().toList(), environment);
	}

	@Bean
	@ConditionalOnMissingBean(QueueOperations.class)
	QueueTemplate queueTemplate(Infrastructure infrastructure, PgQueueProperties properties, DeclaredQueues declared,
			ObjectProvider<JsonMapper> jsonMapper) {
		return QueueTemplate.builder(infrastructure.pooled())
			.schema(infrastructure.schema())
			.jsonMapper(jsonMapper.getIfUnique(JsonMapper::shared))
			.maxPayload(properties.template().maxPayload().toBytes())
			.outsideTransaction(properties.template().outsideTransaction())
			.wakeUps(infrastructure.wakeUps())
			.events(infrastructure.events())
			.build();
	}

	@Bean
	@ConditionalOnMissingBean
	QueueReceiver queueReceiver(Infrastructure infrastructure, PgQueueProperties properties, DeclaredQueues declared,
			ObjectProvider<JsonMapper> jsonMapper) {
		return QueueReceiver.builder(infrastructure.pooled())
			.schema(infrastructure.schema())
			.instance(properties.instanceName())
			.jsonMapper(jsonMapper.getIfUnique(JsonMapper::shared))
			.maxAttempts((queue) -> properties.retryPolicy(queue).maxAttempts())
			.wakeUps(infrastructure.wakeUps())
			.events(infrastructure.events())
			.build();
	}

	@Bean
	QueueListenerRegistrar pgQueueListenerRegistrar(QueueListenerRegistry registry, PgQueueProperties properties,
			Environment environment, ConfigurableListableBeanFactory beans) {
		JsonMapper mapper = beans.getBeanProvider(JsonMapper.class).getIfUnique(JsonMapper::shared);
		HandlerMethodFactory methods = new HandlerMethodFactory(new JsonPayloadConverter(mapper), mapper, beans)
			.withValidator(beans.getBeanProvider(Validator.class).getIfUnique());
		ListenerDefaults defaults = new ListenerDefaults(properties, Threading.VIRTUAL.isActive(environment),
				beans.getBeanProvider(QueueErrorHandler.class).getIfUnique());
		return new QueueListenerRegistrar(registry, defaults, methods, beans);
	}

	@Bean
	@ConditionalOnMissingBean
	QueueAdmin queueAdmin(Infrastructure infrastructure) {
		return new QueueAdmin(infrastructure.pooled(), infrastructure.schema());
	}

}
