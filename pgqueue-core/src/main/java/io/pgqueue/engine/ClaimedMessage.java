package io.pgqueue.engine;

import java.time.Instant;

import org.jspecify.annotations.Nullable;

/**
 * A message as it was claimed, not decoded.
 *
 * @param lease number of the lease it is held under
 * @param id identity of the message for life
 * @param attempt number of this delivery, starting at 1
 * @param enqueuedAt when it was sent
 * @param headers headers as a JSON object, if it has any
 * @param payload payload as JSON
 * @param redelivered whether it came back from retry, where it has a lease of its own
 * @param suspect whether the last two processes that had it in hand have died
 */
public record ClaimedMessage(long lease, long id, int attempt, Instant enqueuedAt, @Nullable String headers,
		String payload, boolean redelivered, boolean suspect) {
}
