package io.pgqueue.listener;

import io.pgqueue.QueueMessage;

/**
 * A listener method that a test writes as a lambda.
 */
@FunctionalInterface
public interface Handler {

	void handle(QueueMessage<String> message) throws Exception;

}
