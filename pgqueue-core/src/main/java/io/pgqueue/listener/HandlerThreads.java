package io.pgqueue.listener;

import java.util.concurrent.Executor;

import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.scheduling.concurrent.ThreadPoolTaskExecutor;

/**
 * The threads that run the handlers of one container: a pool of threads that end when
 * idle, or virtual threads.
 *
 * @param executor runs the tasks
 * @param end ends the threads
 */
record HandlerThreads(Executor executor, Runnable end) implements Executor, AutoCloseable {

	static HandlerThreads of(ContainerOptions options) {
		String prefix = "pgqueue-" + options.id() + "-";
		if (options.virtualThreads()) {
			SimpleAsyncTaskExecutor virtual = new SimpleAsyncTaskExecutor(prefix);
			virtual.setVirtualThreads(true);
			return new HandlerThreads(virtual, virtual::close);
		}
		ThreadPoolTaskExecutor pool = new ThreadPoolTaskExecutor();
		pool.setThreadNamePrefix(prefix);
		pool.setDaemon(true);
		// No queue, and no limit of its own: the dispatcher starts no more than
		// concurrency
		// allows, and some may take the place of others that were given up.
		pool.setCorePoolSize(0);
		pool.setQueueCapacity(0);
		pool.initialize();
		return new HandlerThreads(pool, pool::shutdown);
	}

	@Override
	public void execute(Runnable task) {
		this.executor.execute(task);
	}

	@Override
	public void close() {
		this.end.run();
	}

}
