package io.pgqueue.samples.benchmark.system;

import java.lang.reflect.Method;
import java.util.List;

import io.pgqueue.QueueOperations;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.HandlerMethodFactory;
import io.pgqueue.listener.JsonPayloadConverter;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.util.ReflectionUtils;

/**
 * This library, as its users get it: a Spring Boot application with the starter and
 * nothing configured but the database. Concurrency is set where the workload asks for it,
 * in the annotation.
 */
final class PgQueueSystem implements QueueSystem {

	private Mode mode = Mode.SEND;

	private @Nullable ConfigurableApplicationContext context;

	private @Nullable QueueOperations template;

	@Override
	public String name() {
		return "pgqueue";
	}

	@Override
	public String tuning() {
		return "this library in a Spring Boot application, default properties (concurrency 1, 10 connections);"
				+ " @QueueListener(concurrency = " + Mode.HANDLERS + ") for 1 ms and transactional handlers";
	}

	@Override
	public double share() {
		return 1;
	}

	@Override
	public void open(String url, Mode mode) {
		this.mode = mode;
		this.context = new SpringApplicationBuilder(BenchmarkApplication.class).run("--spring.datasource.url=" + url);
		this.template = this.context.getBean(QueueOperations.class);
		if (mode == Mode.IDLE) {
			registerIdleQueues(this.context);
		}
	}

	private static void registerIdleQueues(ConfigurableApplicationContext context) {
		BenchmarkListeners bean = context.getBean(BenchmarkListeners.class);
		Method method = ReflectionUtils.findMethod(BenchmarkListeners.class, BenchmarkListeners.SINGLE,
				BenchmarkMessage.class);
		if (method == null) {
			throw new IllegalStateException("No such method: " + BenchmarkListeners.SINGLE);
		}
		JsonMapper mapper = context.getBean(JsonMapper.class);
		HandlerMethodFactory methods = new HandlerMethodFactory(new JsonPayloadConverter(mapper), mapper, null);
		QueueListenerRegistry registry = context.getBean(QueueListenerRegistry.class);
		for (int i = 0; i < Mode.IDLE_QUEUES; i++) {
			String name = "idle-" + i;
			registry.register(ContainerOptions.builder(name, name).autoStartup(false).build(),
					methods.create(bean, method));
		}
	}

	@Override
	public void send(BenchmarkMessage message) {
		template().send(queue(), message);
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) {
		template().sendAll(queue(), messages);
	}

	@Override
	public Consumption consume(Handler handler) {
		ConfigurableApplicationContext current = context();
		current.getBean(BenchmarkListeners.class).setHandler(handler);
		current.getBean(BenchmarkTransactionalListener.class).setHandler(handler);
		List<QueueListenerContainer> containers = current.getBean(QueueListenerRegistry.class)
			.containers()
			.stream()
			.filter((container) -> (this.mode != Mode.IDLE) ? container.options().id().equals(queue())
					: container.options().id().startsWith("idle-"))
			.toList();
		containers.forEach(QueueListenerContainer::start);
		return () -> containers.forEach(QueueListenerContainer::stop);
	}

	/**
	 * The queue, which is also the id of its listener.
	 */
	private String queue() {
		return switch (this.mode) {
			case SEND, SINGLE, REMOTE, IDLE -> BenchmarkListeners.SINGLE;
			case BATCH -> BenchmarkListeners.BATCH;
			case WAITING -> BenchmarkListeners.WAITING;
			case TRANSACTIONAL -> BenchmarkTransactionalListener.TRANSACTIONAL;
		};
	}

	private ConfigurableApplicationContext context() {
		if (this.context == null) {
			throw new IllegalStateException("Not open");
		}
		return this.context;
	}

	private QueueOperations template() {
		if (this.template == null) {
			throw new IllegalStateException("Not open");
		}
		return this.template;
	}

	@Override
	public void close() {
		if (this.context != null) {
			this.context.close();
		}
	}

}
