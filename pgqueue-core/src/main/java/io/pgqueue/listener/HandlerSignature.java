package io.pgqueue.listener;

import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;

import io.pgqueue.Acknowledgement;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueMessage;
import org.jspecify.annotations.Nullable;

import org.springframework.core.GenericTypeResolver;
import org.springframework.core.MethodParameter;
import org.springframework.core.ResolvableType;
import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;
import org.springframework.messaging.handler.HandlerMethod;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.messaging.handler.annotation.Headers;

/**
 * What a handler method takes.
 *
 * @param batch whether it takes a list
 * @param form what it takes, or what the elements of the list are
 * @param payload type of the payload, or null if the method does not look at it
 * @param manual whether it takes an acknowledgement
 */
record HandlerSignature(boolean batch, Form form, @Nullable ResolvableType payload, boolean manual) {

	/**
	 * Looks at a method.
	 * @param beanClass the class of the bean, which knows what generic types are
	 * @param method the method, with the annotations of its parameters
	 */
	static HandlerSignature of(Class<?> beanClass, HandlerMethod method) {
		boolean manual = Stream.of(method.getMethodParameters())
			.anyMatch((parameter) -> parameter.getParameterType() == Acknowledgement.class);
		MethodParameter parameter = payloadParameter(method);
		return (parameter != null)
				? of(ResolvableType
					.forType(GenericTypeResolver.resolveType(parameter.getGenericParameterType(), beanClass)), manual)
				: new HandlerSignature(false, Form.PAYLOAD, null, manual);
	}

	/**
	 * Finds the parameter for the payload, or null if there is none.
	 */
	static @Nullable MethodParameter payloadParameter(HandlerMethod method) {
		MethodParameter found = null;
		for (MethodParameter parameter : method.getMethodParameters()) {
			if (!takesPayload(parameter)) {
				continue;
			}
			if (found != null) {
				throw new InvalidConfigurationException("Listener method " + method.getMethod()
						+ " has two parameters for the payload: a QueueMessage or Message carries it already,"
						+ " and what comes from a header needs @Header or @Headers");
			}
			found = parameter;
		}
		return found;
	}

	private static HandlerSignature of(ResolvableType type, boolean manual) {
		Class<?> raw = type.toClass();
		if (raw == List.class || raw == Collection.class) {
			HandlerSignature element = of(type.getGeneric(), manual);
			return new HandlerSignature(true, element.form(), element.payload(), manual);
		}
		if (QueueMessage.class == raw) {
			return new HandlerSignature(false, Form.QUEUE_MESSAGE, type.getGeneric(), manual);
		}
		if (Message.class.isAssignableFrom(raw)) {
			return new HandlerSignature(false, Form.MESSAGE, type.getGeneric(), manual);
		}
		return new HandlerSignature(false, Form.PAYLOAD, type, manual);
	}

	private static boolean takesPayload(MethodParameter parameter) {
		return !parameter.hasParameterAnnotation(Header.class) && !parameter.hasParameterAnnotation(Headers.class)
				&& !MessageHeaders.class.isAssignableFrom(parameter.getParameterType())
				&& parameter.getParameterType() != Acknowledgement.class;
	}

	/**
	 * How a message is handed over.
	 */
	enum Form {

		PAYLOAD, MESSAGE, QUEUE_MESSAGE

	}

}
