package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

import javax.sql.DataSource;

import io.pgqueue.QueueEventListener;
import io.pgqueue.RetryPolicy;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListenerDefaults;
import io.pgqueue.annotation.QueueListenerRegistrar;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.Notifications;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationLifecycle;
import io.pgqueue.wakeup.NotificationListener;
import io.pgqueue.wakeup.Notifier;
import io.pgqueue.wakeup.Sign;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.QueueWorker;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.beans.factory.config.ConfigurableBeanFactory;
import org.springframework.util.ReflectionUtils;
import org.springframework.validation.Validator;

/**
 * An application that sends and receives, wired as the auto-configuration does it.
 * Several of them are several processes, as far as the library is concerned.
 */
public final class TestApplication implements AutoCloseable {

	/**
	 * Four deliveries with nearly no time in between.
	 */
	public static final RetryPolicy QUICK = new RetryPolicy(4, Duration.ofMillis(10), 1, Duration.ofMillis(10), 0);

	/**
	 * A dead letter at the first failure.
	 */
	public static final RetryPolicy ONCE = new RetryPolicy(1, Duration.ZERO, 1, Duration.ZERO, 0);

	/**
	 * Longer than any test waits, so that what comes in time was notified.
	 */
	static final Duration SAFETY_INTERVAL = Duration.ofMinutes(10);

	private static final AtomicInteger queueNumbers = new AtomicInteger();

	private final RecordedEvents recorded = new RecordedEvents();

	private final WakeUps wakeUps = new WakeUps();

	private final JsonPayloadConverter converter = new JsonPayloadConverter(JsonMapper.shared());

	private final HandlerMethodFactory methods;

	private final QueueListenerRegistry registry;

	private final QueueTemplate queues;

	private final QueueAdmin admin;

	private final DataSource pooled;

	private final NotificationLifecycle notifications;

	private TestApplication(Builder builder) {
		this.methods = new HandlerMethodFactory(this.converter, JsonMapper.shared(), builder.beans);
		QueueWorker worker = new QueueWorker(builder.direct, TestDatabase.SCHEMA, builder.instance, builder.timeout,
				builder.heartbeat, this.wakeUps, builder.deadLetterRetention);
		QueueEventListener events = (builder.events != null) ? builder.events : this.recorded;
		this.registry = new QueueListenerRegistry(builder.pooled, TestDatabase.SCHEMA, worker, this.wakeUps, events,
				builder.transactions);
		this.queues = QueueTemplate.builder(builder.pooled).wakeUps(this.wakeUps).events(this.recorded).build();
		this.notifications = builder.notifications ? notifications(builder) : null;
		this.pooled = builder.pooled;
		this.admin = new QueueAdmin(builder.pooled, TestDatabase.SCHEMA);
	}

	/**
	 * Makes an application with the defaults of the auto-configuration.
	 */
	public static TestApplication on(TestDatabase database) {
		return builder(database).build();
	}

	private NotificationLifecycle notifications(Builder builder) {
		Notifications notifications = new Notifications(new Database(builder.pooled, TestDatabase.SCHEMA));
		String process = UUID.randomUUID().toString();
		Notifier notifier = new Notifier((news) -> notifications.announce(process, news.queues(),
				news.signs().stream().map(Sign::code).collect(Collectors.toSet())), this.wakeUps.outages());
		this.wakeUps.announceTo(notifier);
		NotificationListener listener = new NotificationListener(builder.direct, TestDatabase.SCHEMA, process,
				(echo) -> notifications.announce(echo, Set.of(), Set.of()), this.wakeUps, builder.notified);
		return new NotificationLifecycle(notifier, listener, () -> !this.registry.containers().isEmpty(), 0);
	}

	public static Builder builder(TestDatabase database) {
		return new Builder(database.dataSource(), database.directDataSource());
	}

	/**
	 * Returns a name that no other test uses.
	 */
	public static String uniqueQueue() {
		return "queue-" + queueNumbers.incrementAndGet();
	}

	/**
	 * Returns options of a container that looks often and retries at once.
	 */
	public static ContainerOptions.Builder options(String queue) {
		return ContainerOptions.builder(queue, queue).pollInterval(Duration.ofMillis(20)).retryPolicy(QUICK);
	}

	/**
	 * Declares a queue that no other test uses.
	 */
	public String declareQueue() {
		String queue = uniqueQueue();
		this.registry.declare(queue);
		return queue;
	}

	public TestApplication handle(ContainerOptions options, Handler handler) {
		return listen(options, handler, Handler.class.getDeclaredMethods()[0]);
	}

	public TestApplication handleBatches(ContainerOptions options, BatchHandler handler) {
		return listen(options, handler, BatchHandler.class.getDeclaredMethods()[0]);
	}

	/**
	 * Registers the method named "on" of a bean.
	 */
	public TestApplication listen(ContainerOptions options, Object bean) {
		Method method = Arrays.stream(ReflectionUtils.getAllDeclaredMethods(bean.getClass()))
			.filter((candidate) -> candidate.getName().equals("on") && !candidate.isBridge())
			.findFirst()
			.orElseThrow();
		return listen(options, bean, method);
	}

	/**
	 * Registers a method of a bean.
	 */
	public TestApplication listen(ContainerOptions options, Object bean, Method method) {
		this.registry.register(options, this.methods.create(bean, method));
		return this;
	}

	public TestApplication start() {
		if (this.notifications != null) {
			this.notifications.start();
		}
		this.registry.start();
		return this;
	}

	/**
	 * Returns how far notifications arrive.
	 */
	public NotificationListener.State notifications() {
		return this.notifications.state();
	}

	/**
	 * Tells whether those who wait for messages rely on notifications and on the looks of
	 * the worker.
	 */
	boolean isResting() {
		return this.wakeUps.pace(Duration.ZERO).compareTo(Duration.ofHours(1)) > 0;
	}

	/**
	 * Has everybody look who waits for something.
	 */
	void wakeAll() {
		this.wakeUps.wakeAll();
	}

	public QueueListenerRegistry registry() {
		return this.registry;
	}

	public QueueListenerContainer container(String id) {
		QueueListenerContainer container = this.registry.container(id);
		if (container == null) {
			throw new IllegalArgumentException("No container " + id);
		}
		return container;
	}

	public QueueTemplate queues() {
		return this.queues;
	}

	public QueueAdmin admin() {
		return this.admin;
	}

	public DataSource pooled() {
		return this.pooled;
	}

	public RecordedEvents events() {
		return this.recorded;
	}

	/**
	 * Makes a registrar for {@code @QueueListener} methods.
	 */
	public QueueListenerRegistrar registrar(QueueListenerDefaults defaults, ConfigurableBeanFactory beans) {
		HandlerMethodFactory factory = new HandlerMethodFactory(this.converter, JsonMapper.shared(), beans)
			.withValidator(beans.getBeanProvider(Validator.class).getIfUnique());
		return new QueueListenerRegistrar(this.registry, defaults, factory, beans);
	}

	@Override
	public void close() {
		this.registry.stop();
		if (this.notifications != null) {
			this.notifications.stop();
		}
	}

	/**
	 * Builds a {@link TestApplication}.
	 */
	public static final class Builder {

		private DataSource pooled;

		private DataSource direct;

		private Duration timeout = Duration.ofSeconds(30);

		private Duration heartbeat = Duration.ofSeconds(10);

		private String instance = "test";

		private QueueEventListener events;

		private int transactions = Integer.MAX_VALUE;

		private ConfigurableBeanFactory beans;

		private Duration deadLetterRetention;

		private boolean notifications;

		private Duration notified = SAFETY_INTERVAL;

		Builder(DataSource pooled, DataSource direct) {
			this.pooled = pooled;
			this.direct = direct;
		}

		public Builder pooled(DataSource pooled) {
			this.pooled = pooled;
			return this;
		}

		public Builder direct(DataSource direct) {
			this.direct = direct;
			return this;
		}

		/**
		 * Sets the lease timeout; a sign of life is given in a tenth of it.
		 */
		public Builder timeout(Duration timeout) {
			this.timeout = timeout;
			this.heartbeat = timeout.dividedBy(10);
			return this;
		}

		public Builder instance(String instance) {
			this.instance = instance;
			return this;
		}

		public Builder events(QueueEventListener events) {
			this.events = events;
			return this;
		}

		/**
		 * Sets how many transactions handlers may have open at a time.
		 */
		public Builder transactions(int transactions) {
			this.transactions = transactions;
			return this;
		}

		/**
		 * Sets where handlers' transactions are looked up.
		 */
		public Builder beans(ConfigurableBeanFactory beans) {
			this.beans = beans;
			return this;
		}

		public Builder deadLetterRetention(Duration retention) {
			this.deadLetterRetention = retention;
			return this;
		}

		/**
		 * Has the application notify others and listen to them.
		 */
		public Builder notifications() {
			this.notifications = true;
			return this;
		}

		/**
		 * Has the application notify others and listen to them.
		 */
		public Builder notifications(Duration pollInterval) {
			this.notified = pollInterval;
			return notifications();
		}

		public TestApplication build() {
			return new TestApplication(this);
		}

	}

}
