package io.pgqueue.listener;

import io.pgqueue.QueueMessage;

import org.springframework.core.MethodParameter;
import org.springframework.messaging.Message;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolver;

/**
 * Hands a {@link QueueMessage} to handler methods that take one.
 */
final class QueueMessageArgumentResolver implements HandlerMethodArgumentResolver {

	@Override
	public boolean supportsParameter(MethodParameter parameter) {
		return parameter.getParameterType() == QueueMessage.class;
	}

	@Override
	public Object resolveArgument(MethodParameter parameter, Message<?> message) {
		return ((DeliveryHeaders) message.getHeaders()).toQueueMessage(message.getPayload());
	}

}
