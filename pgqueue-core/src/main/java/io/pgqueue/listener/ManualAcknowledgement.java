package io.pgqueue.listener;

import java.time.Duration;

import io.pgqueue.Acknowledgement;
import io.pgqueue.Durations;
import io.pgqueue.Verdict;

/**
 * The acknowledgement that a handler is given.
 */
final class ManualAcknowledgement implements Acknowledgement {

	private final Handling handling;

	ManualAcknowledgement(Handling handling) {
		this.handling = handling;
	}

	@Override
	public void acknowledge() {
		requireOpen();
		if (!this.handling.processor().transactions().join(this.handling)) {
			decide(new Verdict.Complete());
		}
	}

	@Override
	public void release(Duration delay) {
		if (delay.isNegative()) {
			throw new IllegalArgumentException("The delay is " + delay + ", but must be zero or longer");
		}
		requireOpen();
		decide(new Verdict.Retry(Durations.limited(delay), false));
	}

	@Override
	public void reject(String reason) {
		requireOpen();
		decide(new Verdict.DeadLetter(reason));
	}

	@Override
	public void extend(Duration time) {
		requireOpen();
		this.handling.extend(Durations.limited(time));
	}

	private void decide(Verdict verdict) {
		MessageProcessor processor = this.handling.processor();
		this.handling.deliveries().forEach((delivery) -> processor.decide(delivery, verdict));
		processor.open().closeIfDecided(this.handling);
	}

	private void requireOpen() {
		if (this.handling.isDecided() || this.handling.isInTransaction()) {
			throw new IllegalStateException(
					"The delivery of message " + this.handling.deliveries().get(0).message().id()
							+ " was settled before, or its time is over: nothing was changed");
		}
	}

}
