package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.util.List;

import org.springframework.messaging.Message;
import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolver;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolverComposite;
import org.springframework.messaging.handler.invocation.InvocableHandlerMethod;
import org.springframework.messaging.handler.invocation.MethodArgumentResolutionException;

/**
 * A handler method that tells failures on the way into it, which will not go away, from
 * its own.
 */
final class ListenerMethod extends InvocableHandlerMethod {

	ListenerMethod(Object bean, Method method, List<HandlerMethodArgumentResolver> resolvers) {
		super(bean, method);
		HandlerMethodArgumentResolverComposite composite = new HandlerMethodArgumentResolverComposite();
		composite.addResolvers(resolvers);
		setMessageMethodArgumentResolvers(composite);
	}

	@Override
	protected Object[] getMethodArgumentValues(Message<?> message, Object... providedArgs) throws Exception {
		try {
			return super.getMethodArgumentValues(message, providedArgs);
		}
		catch (MessageConversionException | MethodArgumentResolutionException ex) {
			throw ex;
		}
		catch (Exception ex) {
			throw new MessageConversionException("An argument of the handler cannot be resolved: " + ex.getMessage(),
					ex);
		}
	}

}
