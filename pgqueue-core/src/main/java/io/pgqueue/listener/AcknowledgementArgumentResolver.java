package io.pgqueue.listener;

import io.pgqueue.Acknowledgement;

import org.springframework.core.MethodParameter;
import org.springframework.messaging.Message;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolver;
import org.springframework.util.Assert;

/**
 * Hands the {@link Acknowledgement} of the delivery to handler methods that take one.
 */
final class AcknowledgementArgumentResolver implements HandlerMethodArgumentResolver {

	@Override
	public boolean supportsParameter(MethodParameter parameter) {
		return parameter.getParameterType() == Acknowledgement.class;
	}

	@Override
	public Object resolveArgument(MethodParameter parameter, Message<?> message) {
		Handling handling = Handling.current();
		Assert.state(handling != null, "No delivery is under way on this thread");
		return new ManualAcknowledgement(handling);
	}

}
