package io.pgqueue.samples.benchmark.system;

import io.pgqueue.annotation.QueueListener;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.stereotype.Component;
import org.springframework.transaction.annotation.Transactional;

/**
 * The listener with a transaction and one insert.
 */
@Component
class BenchmarkTransactionalListener {

	static final String TRANSACTIONAL = "transactional";

	private final JdbcTemplate jdbc;

	private volatile @Nullable Handler handler;

	BenchmarkTransactionalListener(JdbcTemplate jdbc) {
		this.jdbc = jdbc;
	}

	void setHandler(Handler handler) {
		this.handler = handler;
	}

	@Transactional
	@QueueListener(queue = TRANSACTIONAL, id = TRANSACTIONAL, concurrency = "" + Mode.HANDLERS, autoStartup = "false")
	void transactional(BenchmarkMessage message) {
		this.jdbc.update(BenchmarkDatabase.INSERT_EFFECT, message.id(), message.customer());
		Handler current = this.handler;
		if (current == null) {
			throw new IllegalStateException("No workload");
		}
		current.one(message);
	}

}
