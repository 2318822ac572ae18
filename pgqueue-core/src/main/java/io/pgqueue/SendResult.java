package io.pgqueue;

/**
 * What became of a send.
 *
 * @param id identity of the message for life
 * @param queue name of the queue
 * @param created whether the send created the message
 */
public record SendResult(long id, String queue, boolean created) {
}
