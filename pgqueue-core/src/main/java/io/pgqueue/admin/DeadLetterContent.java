package io.pgqueue.admin;

import org.jspecify.annotations.Nullable;

/**
 * A dead letter with everything that is known about it. Not to be written into logs:
 * payload and headers may hold what must not get there, and are left out of
 * {@link #toString()} for that reason.
 *
 * @param letter what a list shows
 * @param errorStack class names and the first frames of what the handler threw and of its
 * causes, or {@code null} if it threw nothing
 * @param headers headers as a JSON object, or {@code null} if there are none; of a
 * message that was redriven before, with those of {@link io.pgqueue.QueueHeaders} that
 * say so
 * @param payload payload as JSON, as it was stored
 */
public record DeadLetterContent(DeadLetter letter, @Nullable String errorStack, @Nullable String headers,
		String payload) {

	@Override
	public String toString() {
		return "DeadLetterContent[letter=" + this.letter + "]";
	}

}
