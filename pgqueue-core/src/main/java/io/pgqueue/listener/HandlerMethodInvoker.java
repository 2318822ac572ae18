package io.pgqueue.listener;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;

import io.pgqueue.QueueHeaders;
import io.pgqueue.QueueMessage;
import io.pgqueue.engine.ClaimedMessage;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.ObjectReader;

import org.springframework.core.ResolvableType;
import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;
import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.messaging.converter.SmartMessageConverter;
import org.springframework.messaging.support.GenericMessage;

/**
 * Decodes messages for the handler method, or the one of several that takes them, and
 * invokes it. Made by a {@link HandlerMethodFactory}.
 */
public final class HandlerMethodInvoker {

	private static final Object NOTHING = new Object();

	private final HandlerRoutes routes;

	private final MessageConverter converter;

	private final ObjectReader headerReader;

	HandlerMethodInvoker(HandlerRoutes routes, MessageConverter converter, ObjectReader headerReader) {
		this.routes = routes;
		this.converter = converter;
		this.headerReader = headerReader;
	}

	/**
	 * Tells whether the method takes a list.
	 * @return whether it does
	 */
	public boolean isBatch() {
		return this.routes.isBatch();
	}

	/**
	 * Tells whether the method takes an {@link io.pgqueue.Acknowledgement}.
	 */
	boolean isManual() {
		return this.routes.all().stream().anyMatch((route) -> route.signature().manual());
	}

	/**
	 * Returns the transactions that methods open by themselves, where that can
	 * acknowledge.
	 */
	List<HandlerTransaction> transactions() {
		return this.routes.all().stream().map(HandlerRoute::transaction).filter(Objects::nonNull).toList();
	}

	/**
	 * Decodes one message.
	 * @throws MessageConversionException if that is not possible
	 * @throws io.pgqueue.DeadLetterException if its type is unknown, or it is not valid
	 */
	Message<?> decode(ClaimedMessage message, String queue) {
		MessageHeaders headers = new DeliveryHeaders(message, queue, headers(message.headers(), this.headerReader));
		HandlerRoute route = this.routes.choose(headers);
		ResolvableType type = route.signature().payload();
		Object payload = (type != null) ? payload(message.payload(), headers, type) : NOTHING;
		if (route.validation() != null) {
			route.validation().validate(payload);
		}
		return new GenericMessage<>(payload, headers);
	}

	/**
	 * Returns a message with the JSON that is stored, and without headers if they cannot
	 * be read.
	 */
	QueueMessage<String> undecoded(ClaimedMessage message, String queue) {
		Map<String, Object> headers = Map.of();
		try {
			headers = headers(message.headers(), this.headerReader);
		}
		catch (MessageConversionException ex) {
			// That is the failure that is asked about.
		}
		return new DeliveryHeaders(message, queue, headers).toQueueMessage(message.payload());
	}

	/**
	 * Invokes the method and waits until its result is complete.
	 * @return the result
	 */
	@Nullable Object invoke(List<Message<?>> messages) throws Exception {
		HandlerRoute route = this.routes.choose(messages.get(0).getHeaders());
		Message<?> argument = route.signature().batch() ? batch(messages, route.signature()) : messages.get(0);
		Object result = route.method().invoke(argument);
		return (result instanceof CompletionStage<?> stage) ? await(stage) : result;
	}

	private static Message<?> batch(List<Message<?>> messages, HandlerSignature signature) {
		List<Object> elements = new ArrayList<>(messages.size());
		for (Message<?> message : messages) {
			elements.add(element(message, signature));
		}
		MessageHeaders first = messages.get(0).getHeaders();
		Map<String, Object> shared = Map.of(QueueHeaders.QUEUE, first.get(QueueHeaders.QUEUE),
				QueueHeaders.SUBSCRIPTION, first.get(QueueHeaders.SUBSCRIPTION));
		return new GenericMessage<>(elements, shared);
	}

	private static Object element(Message<?> message, HandlerSignature signature) {
		return switch (signature.form()) {
			case PAYLOAD -> message.getPayload();
			case MESSAGE -> message;
			case QUEUE_MESSAGE -> ((DeliveryHeaders) message.getHeaders()).toQueueMessage(message.getPayload());
		};
	}

	private Object payload(String json, MessageHeaders headers, ResolvableType type) {
		Object payload = convert(new GenericMessage<>(json, headers), type);
		if (payload == null) {
			throw new MessageConversionException("No message converter reads " + type);
		}
		return payload;
	}

	// What an application's converter throws would quote the payload.
	private @Nullable Object convert(Message<String> stored, ResolvableType type) {
		try {
			return (this.converter instanceof SmartMessageConverter smart)
					? smart.fromMessage(stored, type.toClass(), type.getType())
					: this.converter.fromMessage(stored, type.toClass());
		}
		catch (RuntimeException ex) {
			if (this.converter instanceof JsonPayloadConverter && ex instanceof MessageConversionException) {
				throw ex;
			}
			throw new MessageConversionException("The payload cannot be read as " + type + ": " + CauseNames.of(ex));
		}
	}

	static Map<String, Object> headers(@Nullable String json, ObjectReader reader) {
		if (json == null) {
			return Map.of();
		}
		try {
			Map<String, Object> headers = reader.readValue(json);
			if (headers == null) {
				throw new MessageConversionException("The headers are no JSON object: null");
			}
			headers.values().removeIf((value) -> value == null);
			return headers;
		}
		catch (JacksonException ex) {
			throw new MessageConversionException("The headers are no JSON object: " + ex.getClass().getSimpleName());
		}
	}

	private static @Nullable Object await(CompletionStage<?> stage) throws Exception {
		try {
			return stage.toCompletableFuture().get();
		}
		catch (ExecutionException ex) {
			if (ex.getCause() instanceof Exception cause) {
				throw cause;
			}
			if (ex.getCause() instanceof Error cause) {
				throw cause;
			}
			throw ex;
		}
	}

}
