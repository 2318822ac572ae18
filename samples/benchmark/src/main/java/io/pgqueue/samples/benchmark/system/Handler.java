package io.pgqueue.samples.benchmark.system;

import java.util.List;

/**
 * What a workload does with the messages that a system delivers. Called by many threads.
 */
@FunctionalInterface
public interface Handler {

	/**
	 * Handles one message.
	 * @param message the message
	 */
	void one(BenchmarkMessage message);

	/**
	 * Handles what a batch listener gets.
	 * @param messages the messages
	 */
	default void many(List<BenchmarkMessage> messages) {
		messages.forEach(this::one);
	}

}
