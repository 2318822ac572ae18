package io.pgqueue.listener;

import io.pgqueue.QueueErrorHandler;
import io.pgqueue.RetryPolicy;
import io.pgqueue.Verdict;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides about failed deliveries of one container: the retry policy, then the error
 * handler of the application, if there is one. Never throws.
 */
final class FailurePolicy {

	private static final Logger logger = LoggerFactory.getLogger(FailurePolicy.class);

	private static final int MOST_CHARACTERS = 300;

	private final RetryPolicy retryPolicy;

	private final @Nullable QueueErrorHandler errorHandler;

	private final HandlerMethodInvoker handler;

	FailurePolicy(ContainerOptions options, HandlerMethodInvoker handler) {
		this.retryPolicy = options.retryPolicy();
		this.errorHandler = options.errorHandler();
		this.handler = handler;
	}

	Verdict decide(Delivery delivery, Throwable failure) {
		int attempt = delivery.message().attempt();
		Verdict verdict = this.retryPolicy.decide(attempt, failure);
		if (this.errorHandler != null) {
			verdict = this.retryPolicy.limit(attempt, ask(this.errorHandler, delivery, failure, verdict));
		}
		return (verdict instanceof Verdict.DeadLetter dead) ? new Verdict.DeadLetter(oneLine(dead.reason())) : verdict;
	}

	private Verdict ask(QueueErrorHandler errorHandler, Delivery delivery, Throwable failure, Verdict verdict) {
		String queue = delivery.container().queue();
		try {
			Verdict other = errorHandler.handle(this.handler.undecoded(delivery.message(), queue), failure, verdict);
			if (other != null) {
				return other;
			}
			logger.warn(
					"The error handler of '{}' returned null for message {} of queue '{}': its retry policy decides",
					delivery.container().id(), delivery.message().id(), queue);
		}
		catch (Throwable ex) {
			logger.warn("The error handler of '{}' failed for message {} of queue '{}': its retry policy decides: {}",
					delivery.container().id(), delivery.message().id(), queue, ErrorText.oneLine(ex));
			logger.debug("Failure of the error handler", ex);
		}
		finally {
			// Whatever it did to the flag must not disturb the settling.
			Thread.interrupted();
		}
		return verdict;
	}

	// Reasons come from the application: as any text, and null in spite of NullAway.
	private static String oneLine(@Nullable String reason) {
		String line = (reason != null) ? reason.replaceAll("[\\p{Cntrl}\\p{Cs}]+", " ") : "no reason given";
		if (line.length() <= MOST_CHARACTERS) {
			return line;
		}
		boolean splits = Character.isHighSurrogate(line.charAt(MOST_CHARACTERS - 1));
		return line.substring(0, splits ? MOST_CHARACTERS - 1 : MOST_CHARACTERS) + "...";
	}

}
