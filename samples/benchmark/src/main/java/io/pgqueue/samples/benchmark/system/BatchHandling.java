package io.pgqueue.samples.benchmark.system;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Handles what one statement returned, as a client by hand would: as a list, one after
 * the other, or by a pool of threads; done when all are.
 */
final class BatchHandling implements AutoCloseable {

	private final Mode mode;

	private final Handler handler;

	private final ExecutorService pool = Executors.newFixedThreadPool(Mode.HANDLERS);

	BatchHandling(Mode mode, Handler handler) {
		this.mode = mode;
		this.handler = handler;
	}

	void handle(List<BenchmarkMessage> messages) throws InterruptedException, ExecutionException {
		switch (this.mode) {
			case BATCH -> this.handler.many(messages);
			case WAITING -> handleByPool(messages);
			default -> messages.forEach(this.handler::one);
		}
	}

	private void handleByPool(List<BenchmarkMessage> messages) throws InterruptedException, ExecutionException {
		List<Callable<Void>> tasks = new ArrayList<>(messages.size());
		for (BenchmarkMessage message : messages) {
			tasks.add(() -> {
				this.handler.one(message);
				return null;
			});
		}
		for (Future<Void> done : this.pool.invokeAll(tasks)) {
			done.get();
		}
	}

	@Override
	public void close() {
		this.pool.shutdown();
	}

}
