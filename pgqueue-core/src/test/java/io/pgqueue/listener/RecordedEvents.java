package io.pgqueue.listener;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.QueueEventListener;

/**
 * Counts what the library tells, per queue.
 */
public final class RecordedEvents implements QueueEventListener {

	private final Map<String, Long> counts = new ConcurrentHashMap<>();

	private final List<Throwable> failures = new CopyOnWriteArrayList<>();

	public long sent(String queue) {
		return count("sent", queue);
	}

	public long completed(String queue) {
		return count("completed", queue);
	}

	public long failed(String queue) {
		return count("failed", queue);
	}

	public long deadLettered(String queue) {
		return count("deadLettered", queue);
	}

	public long leaseLost(String queue) {
		return count("leaseLost", queue);
	}

	public long expired(String queue) {
		return count("expired", queue);
	}

	public List<Throwable> failures() {
		return this.failures;
	}

	@Override
	public void sent(String queue, long count) {
		add("sent", queue, count);
	}

	@Override
	public void completed(String queue, String subscription) {
		add("completed", queue, 1);
	}

	@Override
	public void failed(String queue, String subscription, Throwable failure) {
		this.failures.add(failure);
		add("failed", queue, 1);
	}

	@Override
	public void deadLettered(String queue, String subscription) {
		add("deadLettered", queue, 1);
	}

	@Override
	public void leaseLost(String queue, String subscription) {
		add("leaseLost", queue, 1);
	}

	@Override
	public void expired(String queue, String subscription, long count) {
		add("expired", queue, count);
	}

	private long count(String event, String queue) {
		return this.counts.getOrDefault(event + " " + queue, 0L);
	}

	private void add(String event, String queue, long count) {
		this.counts.merge(event + " " + queue, count, Long::sum);
	}

}
