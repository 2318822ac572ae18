package io.pgqueue.samples.quickstart;

import java.time.Instant;
import java.util.List;

import io.pgqueue.admin.DeadLetter;
import io.pgqueue.admin.QueueAdmin;
import org.jspecify.annotations.Nullable;

import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * Messages that the listener could not handle, for a person to look at.
 */
@RestController
class DeadLetterController {

	private static final int SHOWN = 100;

	private final QueueAdmin admin;

	DeadLetterController(QueueAdmin admin) {
		this.admin = admin;
	}

	@GetMapping("/dead-letters")
	List<RefusedOrder> deadLetters() {
		return this.admin.deadLetters(Orders.QUEUE, SHOWN).stream().map(RefusedOrder::of).toList();
	}

	/**
	 * A dead letter as the page shows it.
	 *
	 * @param id identity of the message
	 * @param reason what the listener said to it last
	 * @param attempts how often it was delivered
	 * @param sentAt when it was sent
	 * @param deadAt when it was given up
	 */
	record RefusedOrder(long id, @Nullable String reason, int attempts, Instant sentAt, Instant deadAt) {

		static RefusedOrder of(DeadLetter letter) {
			return new RefusedOrder(letter.id(), letter.errorMessage(), letter.attempts(), letter.enqueuedAt(),
					letter.deadAt());
		}

	}

}
