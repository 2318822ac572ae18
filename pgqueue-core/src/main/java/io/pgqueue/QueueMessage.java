package io.pgqueue;

import java.time.Instant;
import java.util.Map;

/**
 * A message as a handler sees it. A handler method may take one instead of the bare
 * payload.
 *
 * @param id identity of the message for life
 * @param queue name of the queue
 * @param payload the payload, converted to the type that the handler names
 * @param headers headers that the sender set
 * @param attempt number of this delivery, starting at 1
 * @param enqueuedAt when it was sent, by the clock of the database
 * @param <T> type of the payload
 */
public record QueueMessage<T>(long id, String queue, T payload, Map<String, Object> headers, int attempt,
		Instant enqueuedAt) {
}
