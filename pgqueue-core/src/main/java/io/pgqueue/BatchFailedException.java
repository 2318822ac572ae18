package io.pgqueue;

import java.util.Map;

/**
 * Thrown by a batch handler that names the messages that failed. Outside a transaction
 * all others are acknowledged. A transaction rolls back, so that no message of the batch
 * is acknowledged: those named are charged an attempt, the others are delivered again
 * without one.
 */
public class BatchFailedException extends PgQueueException {

	private final transient Map<Long, Throwable> failures;

	/**
	 * Creates an exception.
	 * @param failures ids of the messages that failed, each with the reason
	 */
	public BatchFailedException(Map<Long, ? extends Throwable> failures) {
		super(failures.size() + " messages of the batch failed", failures.values().stream().findFirst().orElse(null));
		this.failures = Map.copyOf(failures);
	}

	/**
	 * Returns the failures.
	 * @return ids of the messages that failed, each with the reason
	 */
	public Map<Long, Throwable> failures() {
		return this.failures;
	}

}
