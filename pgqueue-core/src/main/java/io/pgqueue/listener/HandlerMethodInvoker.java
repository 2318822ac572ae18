package io.pgqueue.listener;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;

import io.pgqueue.QueueHeaders;
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
import org.springframework.messaging.handler.invocation.InvocableHandlerMethod;
import org.springframework.messaging.support.GenericMessage;

/**
 * Decodes messages for one handler method and invokes it. Made by a
 * {@link HandlerMethodFactory}.
 */
public final class HandlerMethodInvoker {

	private static final Object NOTHING = new Object();

	private final InvocableHandlerMethod method;

	private final HandlerSignature signature;

	private final @Nullable HandlerTransaction transaction;

	private final MessageConverter converter;

	private final ObjectReader headerReader;

	HandlerMethodInvoker(InvocableHandlerMethod method, HandlerSignature signature,
			@Nullable HandlerTransaction transaction, MessageConverter converter, ObjectReader headerReader) {
		this.method = method;
		this.signature = signature;
		this.transaction = transaction;
		this.converter = converter;
		this.headerReader = headerReader;
	}

	/**
	 * Tells whether the method takes a list.
	 * @return whether it does
	 */
	public boolean isBatch() {
		return this.signature.batch();
	}

	/**
	 * Tells whether the method takes an {@link io.pgqueue.Acknowledgement}.
	 */
	boolean isManual() {
		return this.signature.manual();
	}

	/**
	 * Returns the transaction that the method opens by itself, if that can acknowledge.
	 */
	@Nullable HandlerTransaction transaction() {
		return this.transaction;
	}

	/**
	 * Decodes one message.
	 * @throws MessageConversionException if that is not possible
	 */
	Message<?> decode(ClaimedMessage message, String queue) {
		MessageHeaders headers = new DeliveryHeaders(message, queue, headers(message.headers()));
		ResolvableType type = this.signature.payload();
		Object payload = (type != null) ? payload(message.payload(), headers, type) : NOTHING;
		return new GenericMessage<>(payload, headers);
	}

	/**
	 * Invokes the method and waits until its result is complete.
	 * @return the result
	 */
	@Nullable Object invoke(List<Message<?>> messages) throws Exception {
		Message<?> argument = this.signature.batch() ? batch(messages) : messages.get(0);
		Object result = this.method.invoke(argument);
		return (result instanceof CompletionStage<?> stage) ? await(stage) : result;
	}

	private Message<?> batch(List<Message<?>> messages) {
		List<Object> elements = new ArrayList<>(messages.size());
		for (Message<?> message : messages) {
			elements.add(element(message));
		}
		MessageHeaders first = messages.get(0).getHeaders();
		Map<String, Object> shared = Map.of(QueueHeaders.QUEUE, first.get(QueueHeaders.QUEUE),
				QueueHeaders.SUBSCRIPTION, first.get(QueueHeaders.SUBSCRIPTION));
		return new GenericMessage<>(elements, shared);
	}

	private Object element(Message<?> message) {
		return switch (this.signature.form()) {
			case PAYLOAD -> message.getPayload();
			case MESSAGE -> message;
			case QUEUE_MESSAGE -> ((DeliveryHeaders) message.getHeaders()).toQueueMessage(message.getPayload());
		};
	}

	private Object payload(String json, MessageHeaders headers, ResolvableType type) {
		Message<String> stored = new GenericMessage<>(json, headers);
		Object payload = (this.converter instanceof SmartMessageConverter smart)
				? smart.fromMessage(stored, type.toClass(), type.getType())
				: this.converter.fromMessage(stored, type.toClass());
		if (payload == null) {
			throw new MessageConversionException("No message converter reads " + type);
		}
		return payload;
	}

	private Map<String, Object> headers(@Nullable String json) {
		if (json == null) {
			return Map.of();
		}
		try {
			Map<String, Object> headers = this.headerReader.readValue(json);
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
