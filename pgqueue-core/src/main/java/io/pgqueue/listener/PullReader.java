package io.pgqueue.listener;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToIntFunction;

import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueMessage;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Pulls.Pull;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.core.ResolvableType;
import org.springframework.messaging.support.GenericMessage;

/**
 * Decodes pulled messages. What cannot be decoded, or has no attempts left, becomes a
 * dead letter.
 */
final class PullReader {

	private static final Logger logger = LoggerFactory.getLogger(PullReader.class);

	private final JsonPayloadConverter converter;

	private final ObjectReader headerReader;

	private final Leases leases;

	private final QueueEventListener events;

	private final ToIntFunction<String> maxAttempts;

	PullReader(JsonMapper mapper, Leases leases, QueueEventListener events, ToIntFunction<String> maxAttempts) {
		this.converter = new JsonPayloadConverter(mapper);
		this.headerReader = mapper.readerForMapOf(Object.class);
		this.leases = leases;
		this.events = events;
		this.maxAttempts = maxAttempts;
	}

	/**
	 * Returns the messages that the caller is to get.
	 */
	<T> List<ReceivedMessage<T>> read(Pull pull, String queue, ResolvableType type) {
		List<ReceivedMessage<T>> read = new ArrayList<>(pull.messages().size());
		List<Failure> given = new ArrayList<>();
		int most = this.maxAttempts.applyAsInt(queue);
		for (ClaimedMessage message : pull.messages()) {
			if (message.attempt() > most) {
				logger.warn("Message {} of queue '{}' is a dead letter: {} of {} attempts are spent", message.id(),
						queue, message.attempt() - 1, most);
				given.add(failure(message, "attempts are spent", null));
				continue;
			}
			try {
				read.add(new ReceivedMessage<>(Receipt.of(pull.receiver(), message, queue).text(),
						decode(message, queue, type)));
			}
			catch (RuntimeException | StackOverflowError ex) {
				logger.warn("Message {} of queue '{}' is a dead letter, cannot be converted: {}", message.id(), queue,
						ErrorText.oneLine(ex));
				this.events.failed(queue, Delivery.SUBSCRIPTION, ex);
				given.add(failure(message, "cannot be converted", ex));
			}
		}
		if (!given.isEmpty()) {
			bury(pull.receiver(), queue, given);
		}
		return read;
	}

	@SuppressWarnings("unchecked")
	private <T> QueueMessage<T> decode(ClaimedMessage message, String queue, ResolvableType type) {
		DeliveryHeaders headers = new DeliveryHeaders(message, queue,
				HandlerMethodInvoker.headers(message.headers(), this.headerReader));
		Object payload = this.converter.fromMessage(new GenericMessage<>(message.payload(), headers), type.toClass(),
				type.getType());
		return headers.toQueueMessage((T) payload);
	}

	// What is readable must reach the caller even if this fails: then it is tried again
	// when the time of these messages is over.
	private void bury(long receiver, String queue, List<Failure> failures) {
		failures.sort(Comparator.comparingLong((failure) -> failure.held().lease()));
		try {
			int lost = this.leases.bury(receiver, failures).size();
			for (int i = lost; i < failures.size(); i++) {
				this.events.deadLettered(queue, Delivery.SUBSCRIPTION);
			}
		}
		catch (RuntimeException ex) {
			logger.warn("{} messages of queue '{}' could not be made dead letters, which is tried again: {}",
					failures.size(), queue, ex.toString());
		}
	}

	// Whoever received a message last, in vain, has spent the attempt already.
	private static Failure failure(ClaimedMessage message, String reason, @Nullable Throwable failure) {
		return new Failure(new Held(message.lease(), message.id()), 0, failure != null, reason,
				ErrorText.className(failure), ErrorText.message(failure), ErrorText.stack(failure));
	}

}
