package io.pgqueue;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a batch handler may return to tell that some messages of the batch failed: all
 * others are acknowledged. In a handler's transaction they are acknowledged with its
 * work, and what failed gets its verdict afterwards.
 * <p>
 * A handler learns the ids by taking a {@code List} of {@link QueueMessage}.
 *
 * @param failures ids of the messages that failed, each with the reason
 */
public record BatchResult(Map<Long, ? extends Throwable> failures) {

	/**
	 * Every message of the batch succeeded.
	 */
	public static final BatchResult SUCCESS = new BatchResult(Map.of());

	public BatchResult {
		failures = Map.copyOf(failures);
	}

	/**
	 * Tells that one message failed.
	 * @param id id of the message
	 * @param failure why
	 * @return this result with that failure added
	 */
	public BatchResult withFailure(long id, Throwable failure) {
		Map<Long, Throwable> all = new LinkedHashMap<>(this.failures);
		all.put(id, failure);
		return new BatchResult(all);
	}

}
