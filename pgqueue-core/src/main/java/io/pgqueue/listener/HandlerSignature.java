package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.util.Collection;
import java.util.List;

import io.pgqueue.Acknowledgement;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueMessage;
import org.jspecify.annotations.Nullable;

import org.springframework.core.GenericTypeResolver;
import org.springframework.core.MethodParameter;
import org.springframework.core.ResolvableType;
import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;
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

	static HandlerSignature of(Class<?> beanClass, Method method) {
		HandlerSignature found = null;
		boolean manual = false;
		for (int i = 0; i < method.getParameterCount(); i++) {
			MethodParameter parameter = new MethodParameter(method, i).withContainingClass(beanClass);
			manual |= parameter.getParameterType() == Acknowledgement.class;
			if (!takesPayload(parameter)) {
				continue;
			}
			if (found != null) {
				throw new InvalidConfigurationException("Listener method " + method
						+ " has two parameters for the payload: annotate all but one with @Header or @Headers");
			}
			found = of(ResolvableType
				.forType(GenericTypeResolver.resolveType(parameter.getGenericParameterType(), beanClass)));
		}
		return (found != null) ? new HandlerSignature(found.batch(), found.form(), found.payload(), manual)
				: new HandlerSignature(false, Form.PAYLOAD, null, manual);
	}

	private static HandlerSignature of(ResolvableType type) {
		Class<?> raw = type.toClass();
		if (raw == List.class || raw == Collection.class) {
			HandlerSignature element = of(type.getGeneric());
			return new HandlerSignature(true, element.form(), element.payload(), false);
		}
		if (QueueMessage.class == raw) {
			return new HandlerSignature(false, Form.QUEUE_MESSAGE, type.getGeneric(), false);
		}
		if (Message.class.isAssignableFrom(raw)) {
			return new HandlerSignature(false, Form.MESSAGE, type.getGeneric(), false);
		}
		return new HandlerSignature(false, Form.PAYLOAD, type, false);
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
