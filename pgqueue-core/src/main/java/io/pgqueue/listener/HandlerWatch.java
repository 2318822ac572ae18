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

	private boolean warned;

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
		while (this.running) {
			this.stop.await(INTERVAL);
			try {
				Set<Long> cancelled = this.worker.takeCancelled();
				this.containers.get().forEach((container) -> check(container, cancelled));
			}
			catch (RuntimeException | Error ex) {
				warn("of all listeners", ex);
			}
		}
	}

	private void check(QueueListenerContainer container, Set<Long> cancelled) {
		try {
			if (!cancelled.isEmpty()) {
				container.cancel(cancelled);
			}
			container.checkTimes();
		}
		catch (RuntimeException | Error ex) {
			warn("of '" + container.options().id() + "'", ex);
		}
	}

	// Once, because the next look is only a moment away.
	private void warn(String whose, Throwable ex) {
		if (!this.warned) {
			this.warned = true;
			logger.error("The times of handlers {} could not be checked, trying again and again", whose, ex);
		}
	}

}
