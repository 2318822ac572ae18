package io.pgqueue.listener;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.Semaphore;

import io.pgqueue.AckMode;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.QueueWorker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.context.Lifecycle;

/**
 * Receives the messages of one queue for one handler. Made by a
 * {@link QueueListenerRegistry}; applications ask the registry for it to stop and start
 * it at run time. Thread-safe.
 */
public final class QueueListenerContainer implements Lifecycle {

	private static final Logger logger = LoggerFactory.getLogger(QueueListenerContainer.class);

	private static final Duration FETCHER_LIMIT = Duration.ofSeconds(2);

	private static final Duration INTERRUPTED_LIMIT = Duration.ofSeconds(2);

	private final ContainerOptions options;

	private final HandlerMethodInvoker handler;

	private final DeclaredQueue queue;

	private final Collaborators collaborators;

	private volatile @Nullable Running running;

	QueueListenerContainer(ContainerOptions options, HandlerMethodInvoker handler, DeclaredQueue queue,
			Collaborators collaborators) {
		if (handler.isManual() != (options.ackMode() == AckMode.MANUAL)) {
			throw new InvalidConfigurationException(
					"Listener '" + options.id() + "': ackMode is " + options.ackMode() + ", but its method takes "
							+ (handler.isManual() ? "an" : "no") + " Acknowledgement: that goes with MANUAL only");
		}
		this.options = options;
		this.handler = handler;
		this.queue = queue;
		this.collaborators = collaborators;
	}

	/**
	 * Returns how the container works.
	 * @return the options
	 */
	public ContainerOptions options() {
		return this.options;
	}

	/**
	 * Starts to claim and handle messages. Does nothing if the container runs.
	 */
	@Override
	public synchronized void start() {
		if (this.running == null) {
			this.running = new Running();
		}
	}

	/**
	 * Stops: claims no more, hands back at once what was not started, lets handlers
	 * finish for {@link ContainerOptions#shutdownTimeout()}, then interrupts them.
	 */
	@Override
	public synchronized void stop() {
		Running stopping = this.running;
		if (stopping == null) {
			return;
		}
		try {
			stopping.stop();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		this.running = null;
	}

	@Override
	public boolean isRunning() {
		return this.running != null;
	}

	/**
	 * Returns how long ago the queue was last looked at with success, by the container or
	 * for it while it rests, or the container started.
	 * @return the time, or null if the container does not run
	 */
	public @Nullable Duration sinceLastPoll() {
		Running current = this.running;
		return (current != null) ? Duration.ofNanos(System.nanoTime() - current.fetcher.lastPoll()) : null;
	}

	/**
	 * Returns how long the container leaves an idle queue alone at most.
	 * @return the poll interval, or longer while notifications arrive
	 */
	public Duration longestPause() {
		return this.collaborators.wakeUps().longestPause(this.options.pollInterval());
	}

	/**
	 * Tells whether the container has all the messages in hand that it may have, so that
	 * it does not look into the queue.
	 * @return whether it has
	 */
	public boolean isSaturated() {
		Running current = this.running;
		return current != null && current.dispatcher.isSaturated();
	}

	/**
	 * Tells whether a transaction on the DataSource of the queues is open while the
	 * handler runs.
	 */
	boolean isTransactional() {
		return new HandlerTransactions(this.options, this.handler, this.collaborators).areExpected();
	}

	/**
	 * Looks whose handlers have no time left. Called at short intervals.
	 */
	void checkTimes() {
		Running current = this.running;
		if (current != null) {
			current.processor.open().checkTimes(System.nanoTime());
		}
	}

	/**
	 * Has messages given up that are not wanted any more.
	 */
	void cancel(Set<Long> ids) {
		Running current = this.running;
		if (current != null) {
			current.dispatcher.cancel(ids);
			current.processor.open().cancel(ids);
		}
	}

	/**
	 * What all containers of an application share.
	 *
	 * @param leases claims and settles
	 * @param worker this process
	 * @param settler writes outcomes
	 * @param wakeUps signals that there may be something new
	 * @param events is told what happens
	 * @param transactions as many as handlers may have open at a time
	 * @param quarantine keeps suspects apart
	 */
	record Collaborators(Leases leases, QueueWorker worker, Settler settler, WakeUps wakeUps, QueueEventListener events,
			Semaphore transactions, Quarantine quarantine) {
	}

	/**
	 * Threads and state from one start to the next stop.
	 */
	private final class Running {

		private final WakeUp wakeUp = new WakeUp();

		private final MessageProcessor processor;

		private final Dispatcher dispatcher;

		private final MessageFetcher fetcher;

		private final Thread fetcherThread;

		private final HandlerThreads executor;

		Running() {
			ContainerOptions options = QueueListenerContainer.this.options;
			Collaborators shared = QueueListenerContainer.this.collaborators;
			HandlerMethodInvoker handler = QueueListenerContainer.this.handler;
			this.executor = HandlerThreads.of(options);
			this.processor = new MessageProcessor(options, handler, shared);
			this.dispatcher = new Dispatcher(options.concurrency(), handler.isBatch() ? 1 : 2 * options.batchSize(),
					this.executor, this.processor);
			this.fetcher = new MessageFetcher(options, this.processor, QueueListenerContainer.this.queue, shared,
					this.dispatcher, this.wakeUp);
			DeclaredQueue queue = QueueListenerContainer.this.queue;
			shared.wakeUps().add(options.queue(), queue.queueId(), queue.subscriptionId(), this.wakeUp);
			this.fetcherThread = new Thread(this.fetcher, "pgqueue-" + options.id() + "-fetcher");
			// The one thread that keeps an application without a web server alive.
			this.fetcherThread.setDaemon(false);
			this.fetcherThread.start();
		}

		void stop() throws InterruptedException {
			ContainerOptions options = QueueListenerContainer.this.options;
			QueueListenerContainer.this.collaborators.wakeUps().remove(options.queue(), this.wakeUp);
			this.fetcher.stop();
			this.processor.setDraining();
			this.dispatcher.stop();
			this.fetcherThread.join(FETCHER_LIMIT.toMillis());
			if (!this.dispatcher.awaitIdle(options.shutdownTimeout())) {
				logger.warn("Handlers of '{}' did not finish within {}: interrupting them", options.id(),
						options.shutdownTimeout());
				this.processor.setStopping();
				this.processor.open().stop();
				if (!this.dispatcher.awaitIdle(INTERRUPTED_LIMIT)) {
					logger.warn("Handlers of '{}' ignore the interrupt: their messages are delivered again elsewhere",
							options.id());
				}
			}
			this.executor.close();
		}

	}

}
