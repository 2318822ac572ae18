package io.pgqueue.annotation;

import java.util.Map;

import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.TestDatabase;

import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.support.PropertySourcesPlaceholderConfigurer;
import org.springframework.core.env.MapPropertySource;

/**
 * An application context whose beans may listen, wired as the auto-configuration does it.
 */
final class ListenerContext implements AutoCloseable {

	private final AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext();

	private final TestApplication application;

	private QueueListenerDefaults defaults = (queue, options) -> options.retryPolicy(TestApplication.QUICK);

	private ListenerContext(TestDatabase database) {
		this.application = TestApplication.on(database);
		this.context.registerBean(PropertySourcesPlaceholderConfigurer.class);
		this.context.registerBean(QueueListenerRegistry.class, this.application::registry);
		this.context.registerBean(QueueListenerRegistrar.class,
				() -> this.application.registrar(this::applyDefaults, this.context.getDefaultListableBeanFactory()));
		this.context.registerBean(QueueListenerAnnotationBeanPostProcessor.class,
				() -> new QueueListenerAnnotationBeanPostProcessor(
						this.context.getBeanProvider(QueueListenerRegistrar.class)::getObject));
	}

	static ListenerContext on(TestDatabase database) {
		return new ListenerContext(database);
	}

	ListenerContext defaults(QueueListenerDefaults defaults) {
		this.defaults = defaults;
		return this;
	}

	ListenerContext properties(Map<String, Object> properties) {
		this.context.getEnvironment()
			.getPropertySources()
			.addFirst(new MapPropertySource("properties of the test", properties));
		return this;
	}

	ListenerContext start(Class<?>... components) {
		this.context.register(components);
		this.context.refresh();
		return this;
	}

	TestApplication application() {
		return this.application;
	}

	<T> T bean(Class<T> type) {
		return this.context.getBean(type);
	}

	QueueListenerContainer container(String id) {
		return this.application.container(id);
	}

	void send(String queue, Object payload) {
		this.application.queues().send(queue, payload);
	}

	private void applyDefaults(String queue, ContainerOptions.Builder options) {
		this.defaults.apply(queue, options);
	}

	@Override
	public void close() {
		this.context.close();
	}

}
