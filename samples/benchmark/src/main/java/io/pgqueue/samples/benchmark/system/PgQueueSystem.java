package io.pgqueue.samples.benchmark.system;

import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

import io.pgqueue.QueueOperations;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.HandlerMethodFactory;
import io.pgqueue.listener.JsonPayloadConverter;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;
import org.springframework.util.ReflectionUtils;

/**
 * This library, as its users get it: a Spring Boot application with the starter and
 * nothing configured but the database. Concurrency is set where the workload asks for it,
 * in the annotation. The variant does without notifications between processes.
 */
final class PgQueueSystem implements QueueSystem {

	/**
	 * One for each sender and some for the library.
	 */
	private static final int CONNECTIONS_OF_SENDERS = 20;

	private static final int LISTENING_MILLIS = 100;

	private final boolean notifies;

	private Mode mode = Mode.SEND;

	private String url = "";

	private @Nullable ConfigurableApplicationContext context;

	private @Nullable QueueOperations template;

	private @Nullable JdbcTemplate jdbc;

	private @Nullable TransactionTemplate transactions;

	PgQueueSystem(boolean notifies) {
		this.notifies = notifies;
	}

	@Override
	public String name() {
		return this.notifies ? Systems.OURS : Systems.POLLING;
	}

	@Override
	public String tuning() {
		return !this.notifies ? "the same with pgqueue.notify.enabled=false: other processes look once a second"
				: "this library in a Spring Boot application, default properties (concurrency 1, 10 connections);"
						+ " @QueueListener(concurrency = " + Mode.HANDLERS + ") for 1 ms and transactional handlers; "
						+ CONNECTIONS_OF_SENDERS + " connections for " + Mode.SENDING_THREADS + " senders";
	}

	@Override
	public double share() {
		return 1;
	}

	@Override
	public void open(String url, Mode mode) {
		this.mode = mode;
		this.url = url;
		List<String> properties = new ArrayList<>(List.of("--spring.datasource.url=" + url));
		if (!this.notifies) {
			properties.add("--pgqueue.notify.enabled=false");
		}
		if (mode == Mode.SENDERS) {
			properties.add("--spring.datasource.hikari.maximum-pool-size=" + CONNECTIONS_OF_SENDERS);
		}
		this.context = new SpringApplicationBuilder(BenchmarkApplication.class).run(properties.toArray(String[]::new));
		this.jdbc = this.context.getBean(JdbcTemplate.class);
		this.transactions = new TransactionTemplate(this.context.getBean(PlatformTransactionManager.class));
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
		if (this.mode == Mode.SENDERS && this.transactions != null && this.jdbc != null) {
			JdbcTemplate business = this.jdbc;
			this.transactions.executeWithoutResult((status) -> {
				business.update(BenchmarkDatabase.INSERT_EFFECT, message.id(), message.customer());
				template().send(queue(), message);
			});
		}
		else {
			template().send(queue(), message);
		}
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) {
		template().sendAll(queue(), messages);
	}

	@Override
	public Consumption consume(Handler handler) {
		if (this.mode == Mode.SENDERS) {
			return listen();
		}
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
	 * Stands for another process: a notification costs more when somebody listens.
	 */
	private Consumption listen() {
		return Loops.start("listening", 1, (ready, running) -> {
			try (Connection connection = DriverManager.getConnection(this.url);
					Statement statement = connection.createStatement()) {
				statement.execute("LISTEN pgqueue");
				ready.run();
				while (running.getAsBoolean()) {
					connection.unwrap(PGConnection.class).getNotifications(LISTENING_MILLIS);
				}
			}
		});
	}

	/**
	 * The queue, which is also the id of its listener.
	 */
	private String queue() {
		return switch (this.mode) {
			case SEND, SINGLE, REMOTE, IDLE, SENDERS -> BenchmarkListeners.SINGLE;
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
