package io.pgqueue;

/**
 * A message that an application has received by itself, with
 * {@link io.pgqueue.listener.QueueReceiver}.
 *
 * @param receipt settles this delivery: an opaque text of letters, digits and
 * {@code . _ -}, which any process that uses the same queues may present
 * @param message the message
 * @param <T> type of the payload
 */
public record ReceivedMessage<T>(String receipt, QueueMessage<T> message) {
}
