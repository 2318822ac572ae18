package io.pgqueue.autoconfigure;

import java.time.Duration;

import javax.sql.DataSource;

import io.pgqueue.Queue;
import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueEventListeners;
import io.pgqueue.QueueOperations;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListenerAnnotationBeanPostProcessor;
import io.pgqueue.annotation.QueueListenerRegistrar;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.listener.HandlerMethodFactory;
import io.pgqueue.listener.JsonPayloadConverter;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.QueueWorker;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.beans.factory.ListableBeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.config.ConfigurableBeanFactory;
import org.springframework.boot.LazyInitializationExcludeFilter;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.thread.Threading;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.Environment;

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
		return (beanName, definition, type) -> type == QueueListenerRegistry.class || type == DeclaredQueues.class
				|| !QueueListenerAnnotationBeanPostProcessor.listenerMethods(type).isEmpty();
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
	QueueListenerRegistry queueListenerRegistry(Infrastructure infrastructure, PgQueueProperties properties) {
		Duration timeout = properties.lease().timeout();
		Duration heartbeat = (properties.lease().heartbeat() != null) ? properties.lease().heartbeat()
				: timeout.dividedBy(3);
		QueueWorker worker = new QueueWorker(infrastructure.direct(), infrastructure.schema(), ProcessName.current(),
				timeout, heartbeat, infrastructure.wakeUps());
		return new QueueListenerRegistry(infrastructure.pooled(), infrastructure.schema(), worker,
				infrastructure.wakeUps(), infrastructure.events());
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
	QueueListenerRegistrar pgQueueListenerRegistrar(QueueListenerRegistry registry, PgQueueProperties properties,
			ObjectProvider<JsonMapper> jsonMapper, Environment environment, ConfigurableBeanFactory beanFactory) {
		JsonMapper mapper = jsonMapper.getIfUnique(JsonMapper::shared);
		return new QueueListenerRegistrar(registry,
				new ListenerDefaults(properties, Threading.VIRTUAL.isActive(environment)),
				new HandlerMethodFactory(new JsonPayloadConverter(mapper), mapper, beanFactory), beanFactory);
	}

	@Bean
	@ConditionalOnMissingBean
	QueueAdmin queueAdmin(Infrastructure infrastructure) {
		return new QueueAdmin(infrastructure.pooled(), infrastructure.schema());
	}

}
