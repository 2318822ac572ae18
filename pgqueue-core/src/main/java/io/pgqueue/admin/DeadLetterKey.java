package io.pgqueue.admin;

import java.time.Instant;
import java.util.Objects;

import io.pgqueue.Queue;

/**
 * Names one death of a message. A message that was redriven and died again has the same
 * identity but another key, so that a command given twice takes effect once.
 *
 * @param queue name of the queue
 * @param subscription name of the subscription that gave it up
 * @param id identity of the message
 * @param deadAt when it was given up, as {@link DeadLetter#deadAt()} tells
 */
public record DeadLetterKey(String queue, String subscription, long id, Instant deadAt) {

	public DeadLetterKey {
		Queue.requireValidName(queue);
		Objects.requireNonNull(subscription, "subscription must not be null");
		Objects.requireNonNull(deadAt, "deadAt must not be null");
	}

}
