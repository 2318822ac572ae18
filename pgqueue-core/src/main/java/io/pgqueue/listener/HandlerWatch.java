package io.pgqueue.listener;

import java.time.Duration;
import java.util.Collection;
import java.util.Set;
import java.util.function.Supplier;

import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.worker.QueueWorker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The thread that looks after the time that handlers have, and interrupts those whose
 * message was cancelled, for all containers of an application.
 */
final class HandlerWatch {

	private static final Logger logger = LoggerFactory.getLogger(HandlerWatch.class);

	private static final Duration INTERVAL = Duration.ofMillis(100);

	private final Supplier<Collection<QueueListenerContainer>> containers;

	private final QueueWorker worker;

	private final WakeUp stop = new WakeUp();

	private volatile boolean running = true;

	HandlerWatch(Supplier<Collection<QueueListenerContainer>> containers, QueueWorker worker) {
		this.containers = containers;
		this.worker = worker;
	}

	void start() {
		Thread thread = new Thread(this::run, "pgqueue-timeouts");
		thread.setDaemon(true);
		thread.start();
	}

	void stop() {
		this.running = false;
		this.stop.signal();
	}

	private void run() {
		try {
			while (this.running) {
				this.stop.await(INTERVAL);
				check();
			}
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	private void check() {
		Set<Long> cancelled = this.worker.takeCancelled();
		for (QueueListenerContainer container : this.containers.get()) {
			try {
				if (!cancelled.isEmpty()) {
					container.cancel(cancelled);
				}
				container.checkTimes();
			}
			catch (RuntimeException | Error ex) {
				logger.error("The times of listener '{}' could not be checked", container.options().id(), ex);
			}
		}
	}

}
