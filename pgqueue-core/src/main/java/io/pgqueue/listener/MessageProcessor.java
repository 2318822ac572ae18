package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

import io.pgqueue.QueueEventListener;
import io.pgqueue.Verdict;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.messaging.Message;

/**
 * Takes a unit of work, which is one message or the batch of a batch handler, from claim
 * to verdict. Nothing that a message or a handler does gets past it.
 */
final class MessageProcessor {

	private static final Logger logger = LoggerFactory.getLogger(MessageProcessor.class);

	private final ContainerOptions options;

	private final HandlerMethodInvoker handler;

	private final Settler settler;

	private final QueueEventListener events;

	private final FailurePolicy failurePolicy;

	private volatile boolean stopping;

	MessageProcessor(ContainerOptions options, HandlerMethodInvoker handler, Settler settler,
			QueueEventListener events) {
		this.options = options;
		this.handler = handler;
		this.settler = settler;
		this.events = events;
		this.failurePolicy = new FailurePolicy(options, handler);
	}

	void process(List<Delivery> deliveries) throws InterruptedException {
		List<Delivery> decoded = new ArrayList<>(deliveries.size());
		List<Message<?>> messages = new ArrayList<>(deliveries.size());
		for (Delivery delivery : deliveries) {
			if (!buryIfExhausted(delivery)) {
				decode(delivery, decoded, messages);
			}
		}
		if (messages.isEmpty()) {
			return;
		}
		Throwable failure = invoke(messages);
		for (Delivery delivery : decoded) {
			if (failure == null) {
				this.settler.settle(new Outcome(delivery, new Verdict.Complete(), null));
			}
			else {
				fail(delivery, failure);
			}
		}
	}

	/**
	 * Hands a message back that was not started; the delivery does not count.
	 */
	void release(Delivery delivery) throws InterruptedException {
		this.settler.settle(new Outcome(delivery, new Verdict.Retry(Duration.ZERO, false), null));
	}

	/**
	 * From now on handlers that fail were interrupted because the container stops, which
	 * costs their messages no attempt.
	 */
	void setStopping() {
		this.stopping = true;
	}

	// A message whose process died has spent an attempt without anybody deciding about
	// it.
	private boolean buryIfExhausted(Delivery delivery) throws InterruptedException {
		int spent = delivery.message().attempt() - 1;
		if (spent < this.options.retryPolicy().maxAttempts()) {
			return false;
		}
		logger.warn("Message {} of queue '{}' is a dead letter: {} of {} attempts are spent", delivery.message().id(),
				this.options.queue(), spent, this.options.retryPolicy().maxAttempts());
		this.settler.settle(new Outcome(delivery, new Verdict.DeadLetter("attempts are spent"), null));
		return true;
	}

	private void decode(Delivery delivery, List<Delivery> decoded, List<Message<?>> messages)
			throws InterruptedException {
		try {
			messages.add(this.handler.decode(delivery.message(), this.options.queue()));
			decoded.add(delivery);
		}
		catch (Throwable ex) {
			fail(delivery, ex);
		}
	}

	private @Nullable Throwable invoke(List<Message<?>> messages) {
		try {
			this.handler.invoke(messages);
			return null;
		}
		catch (Throwable ex) {
			return ex;
		}
		finally {
			// Whatever the handler did to the flag must not disturb the settling.
			Thread.interrupted();
		}
	}

	private void fail(Delivery delivery, Throwable failure) throws InterruptedException {
		if (this.stopping) {
			release(delivery);
			return;
		}
		Verdict verdict = this.failurePolicy.decide(delivery, failure);
		log(delivery, verdict, failure);
		this.events.failed(this.options.queue(), Delivery.SUBSCRIPTION, failure);
		this.settler.settle(new Outcome(delivery, verdict, failure));
	}

	private void log(Delivery delivery, Verdict verdict, Throwable failure) {
		long id = delivery.message().id();
		if (verdict instanceof Verdict.DeadLetter dead) {
			logger.warn("Message {} of queue '{}' is a dead letter, {}: {}", id, this.options.queue(), dead.reason(),
					ErrorText.oneLine(failure));
		}
		else if (verdict instanceof Verdict.Retry retry) {
			logger.info("Message {} of queue '{}' failed, attempt {} of {}{}, next in {} ms: {}", id,
					this.options.queue(), delivery.message().attempt(), this.options.retryPolicy().maxAttempts(),
					retry.counted() ? "" : ", which does not count", retry.delay().toMillis(),
					ErrorText.oneLine(failure));
		}
		else {
			logger.info("Message {} of queue '{}' failed and is acknowledged by the error handler: {}", id,
					this.options.queue(), ErrorText.oneLine(failure));
		}
		logger.debug("Failure of message {}", id, failure);
	}

}
