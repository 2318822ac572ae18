package io.pgqueue.samples.benchmark.system;

import java.util.List;

import io.pgqueue.annotation.QueueListener;
import org.jspecify.annotations.Nullable;

import org.springframework.stereotype.Component;

/**
 * The listeners without a transaction. Each is started when its workload begins.
 */
@Component
class BenchmarkListeners {

	static final String SINGLE = "single";

	static final String BATCH = "batch";

	static final String WAITING = "waiting";

	private volatile @Nullable Handler handler;

	void setHandler(Handler handler) {
		this.handler = handler;
	}

	private Handler handler() {
		Handler current = this.handler;
		if (current == null) {
			throw new IllegalStateException("No workload");
		}
		return current;
	}

	@QueueListener(queue = SINGLE, id = SINGLE, autoStartup = "false")
	void single(BenchmarkMessage message) {
		handler().one(message);
	}

	@QueueListener(queue = BATCH, id = BATCH, autoStartup = "false")
	void batch(List<BenchmarkMessage> messages) {
		handler().many(messages);
	}

	@QueueListener(queue = WAITING, id = WAITING, concurrency = "" + Mode.HANDLERS, autoStartup = "false")
	void waiting(BenchmarkMessage message) {
		handler().one(message);
	}

}
