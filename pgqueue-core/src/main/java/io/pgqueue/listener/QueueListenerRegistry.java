package io.pgqueue.listener;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;

import javax.sql.DataSource;

import io.pgqueue.AckMode;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.NearestName;
import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueEventListeners;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Queues;
import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.listener.QueueListenerContainer.Collaborators;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.Promoter;
import io.pgqueue.worker.QueueWorker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.context.SmartLifecycle;

/**
 * Owns the listener containers of an application: starts them after everything else,
 * stops them before everything else. Applications inject it to start and stop single
 * containers by id. Thread-safe.
 */
public final class QueueListenerRegistry implements SmartLifecycle {

	/**
	 * Late in the start and early in the stop.
	 */
	public static final int PHASE = Integer.MAX_VALUE - 100;

	private static final Logger logger = LoggerFactory.getLogger(QueueListenerRegistry.class);

	private final String schema;

	private final Queues queues;

	private final QueueWorker worker;

	private final Promoter promoter;

	private final WakeUps wakeUps;

	private final Settler settler;

	private final Collaborators collaborators;

	private final Map<String, QueueListenerContainer> containers = Collections.synchronizedMap(new LinkedHashMap<>());

	private final int transactions;

	private volatile boolean running;

	private @Nullable HandlerWatch watch;

	/**
	 * Creates a registry.
	 * @param dataSource leads to the database; claims borrow from it
	 * @param schema name of the schema, unquoted
	 * @param worker this process, started and stopped with the registry
	 * @param wakeUps shared with the template of this application
	 * @param events is told what happens
	 * @param transactions most transactions that handlers may have open at a time, at
	 * least 1; one less than the connections of the pool, so that handlers never wait for
	 * each other's
	 */
	public QueueListenerRegistry(DataSource dataSource, String schema, QueueWorker worker, WakeUps wakeUps,
			QueueEventListener events, int transactions) {
		this.schema = schema;
		Database database = new Database(dataSource, schema);
		Leases leases = new Leases(database);
		this.queues = new Queues(database);
		this.worker = worker;
		this.wakeUps = wakeUps;
		this.promoter = new Promoter(database, wakeUps);
		this.transactions = transactions;
		QueueEventListener safe = QueueEventListeners.of(List.of(events));
		this.settler = new Settler(leases, safe, wakeUps, worker.outages());
		this.collaborators = new Collaborators(leases, worker, this.settler, wakeUps, safe,
				new Semaphore(transactions, true), new Quarantine());
	}

	/**
	 * Adds a container and declares its queue. It starts with the registry, or at once if
	 * the registry runs already.
	 * @param options how the container works
	 * @param handler what it invokes
	 * @return the container
	 * @throws InvalidConfigurationException if the id is taken
	 */
	public synchronized QueueListenerContainer register(ContainerOptions options, HandlerMethodInvoker handler) {
		if (this.containers.containsKey(options.id())) {
			throw new InvalidConfigurationException("Two listeners have the id '" + options.id()
					+ "': give one of them another id in its @QueueListener");
		}
		if (options.ackMode() == AckMode.AUTO) {
			handler.transactions().forEach((transaction) -> TransactionHook.installOn(transaction.manager()));
		}
		QueueListenerContainer container = new QueueListenerContainer(options, handler, declare(options.queue()),
				this.collaborators);
		this.containers.put(options.id(), container);
		if (this.running) {
			startShared();
			if (options.autoStartup()) {
				container.start();
			}
		}
		return container;
	}

	/**
	 * Creates a queue unless it exists.
	 * @param name name of the queue
	 * @return the queue
	 */
	public DeclaredQueue declare(String name) {
		DeclaredQueue declared = this.queues.declare(name);
		if (declared.created()) {
			List<String> nearest = NearestName.of(name, this.queues.names());
			logger.info("Created queue '{}'{}", name, nearest.isEmpty() ? "" : "; similar names exist: " + nearest);
		}
		return declared;
	}

	/**
	 * Finds a container.
	 * @param id its id
	 * @return the container, or null if there is none
	 */
	public @Nullable QueueListenerContainer container(String id) {
		return this.containers.get(id);
	}

	/**
	 * Lists the containers.
	 * @return all of them, in the order of their registration
	 */
	public Collection<QueueListenerContainer> containers() {
		synchronized (this.containers) {
			return List.copyOf(this.containers.values());
		}
	}

	/**
	 * Starts all containers that start by themselves.
	 */
	@Override
	public synchronized void start() {
		if (this.running) {
			return;
		}
		this.running = true;
		if (!this.containers.isEmpty()) {
			startShared();
			logger.info("Schema \"{}\": {} listeners on {} queues", this.schema, this.containers.size(),
					containers().stream().map((one) -> one.options().queue()).distinct().count());
			logTransactionLimit();
		}
		containers().stream().filter((one) -> one.options().autoStartup()).forEach(QueueListenerContainer::start);
	}

	private void logTransactionLimit() {
		int wanted = containers().stream()
			.filter(QueueListenerContainer::isTransactional)
			.mapToInt((one) -> one.options().concurrency())
			.sum();
		if (wanted > this.transactions) {
			logger.info("At most {} of {} transactional handlers run at a time, one less than the pool has connections",
					this.transactions, wanted);
		}
	}

	/**
	 * Stops all containers side by side, writes their outcomes and signs off.
	 */
	@Override
	public synchronized void stop() {
		if (!this.running) {
			return;
		}
		List<Thread> stopping = containers().stream().map((container) -> {
			Thread thread = new Thread(container::stop, "pgqueue-" + container.options().id() + "-stop");
			thread.start();
			return thread;
		}).toList();
		try {
			for (Thread thread : stopping) {
				thread.join();
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		if (this.watch != null) {
			this.watch.stop();
			this.watch = null;
		}
		this.promoter.stop();
		this.settler.stop();
		// Others do not know yet when the retries are due that this process waited for.
		this.wakeUps.announceEverything();
		this.worker.stop();
		this.running = false;
	}

	private void startShared() {
		this.worker.start();
		this.promoter.start();
		this.settler.start();
		if (this.watch == null) {
			this.watch = new HandlerWatch(this::containers, this.worker);
			this.watch.start();
		}
	}

	@Override
	public boolean isRunning() {
		return this.running;
	}

	@Override
	public int getPhase() {
		return PHASE;
	}

}
