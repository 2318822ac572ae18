package io.pgqueue.admin;

import java.time.Instant;

import org.jspecify.annotations.Nullable;

/**
 * A message that was given up, without its payload.
 *
 * @param id identity of the message
 * @param queue name of the queue
 * @param subscription name of the subscription that gave it up
 * @param errorClass class of what the handler threw last, or {@code null}
 * @param errorMessage what it said, or {@code null}
 * @param attempts how often it was delivered
 * @param enqueuedAt when it was sent
 * @param deadAt when it was given up
 */
public record DeadLetter(long id, String queue, String subscription, @Nullable String errorClass,
		@Nullable String errorMessage, int attempts, Instant enqueuedAt, Instant deadAt) {
}
