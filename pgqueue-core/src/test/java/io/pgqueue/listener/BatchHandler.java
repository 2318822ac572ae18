package io.pgqueue.listener;

import java.util.List;

import io.pgqueue.QueueMessage;

/**
 * A listener method for batches that a test writes as a lambda.
 */
@FunctionalInterface
public interface BatchHandler {

	void handle(List<QueueMessage<String>> messages) throws Exception;

}
