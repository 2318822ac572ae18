package io.pgqueue.admin;

import java.time.Instant;

import org.jspecify.annotations.Nullable;

/**
 * A message that was given up, without its payload. Listed by {@link QueueAdmin}; all
 * times are those of the database's clock.
 *
 * @param id identity of the message, the same for life
 * @param queue name of the queue
 * @param subscription name of the subscription that gave it up
 * @param reason why it was given up, in a few words, or {@code null}
 * @param errorClass class of what the handler threw last, or {@code null}
 * @param errorMessage what it said, or {@code null}
 * @param attempts how often it was delivered since it was sent or, if that was later,
 * redriven
 * @param redrives how often it was redriven before it died this time
 * @param enqueuedAt when it was sent
 * @param deadAt when it was given up
 * @param worker name of the process that gave it up, or {@code null}
 */
public record DeadLetter(long id, String queue, String subscription, @Nullable String reason,
		@Nullable String errorClass, @Nullable String errorMessage, int attempts, int redrives, Instant enqueuedAt,
		Instant deadAt, @Nullable String worker) {

	/**
	 * Returns what names this death of the message to {@link QueueAdmin}.
	 * @return the key
	 */
	public DeadLetterKey key() {
		return new DeadLetterKey(this.queue, this.subscription, this.id, this.deadAt);
	}

}
