package io.pgqueue.listener;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.List;

import org.jspecify.annotations.Nullable;

import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHandlingException;
import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolver;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolverComposite;
import org.springframework.messaging.handler.invocation.InvocableHandlerMethod;
import org.springframework.util.ReflectionUtils;

/**
 * A handler method that tells failures on the way into it, which will not go away, from
 * its own. Its parameters are those of the class, with the annotations that they have
 * there, though a proxy may have to be called by the method of an interface.
 */
final class ListenerMethod extends InvocableHandlerMethod {

	private final @Nullable Method ofInterface;

	/**
	 * Creates a method.
	 * @param bean the bean, possibly a proxy
	 * @param method the method as the class declares it
	 * @param invocable the same method as it can be called on the bean
	 * @param resolvers resolve its arguments
	 */
	ListenerMethod(Object bean, Method method, Method invocable, List<HandlerMethodArgumentResolver> resolvers) {
		super(bean, method);
		this.ofInterface = invocable.equals(method) ? null : invocable;
		ReflectionUtils.makeAccessible(invocable);
		HandlerMethodArgumentResolverComposite composite = new HandlerMethodArgumentResolverComposite();
		composite.addResolvers(resolvers);
		setMessageMethodArgumentResolvers(composite);
	}

	// Only texts that cannot quote the message: what is thrown here gets into logs and
	// error
	// columns, with the message that Spring attaches to its exceptions.
	@Override
	protected Object[] getMethodArgumentValues(Message<?> message, Object... providedArgs) {
		try {
			return super.getMethodArgumentValues(message, providedArgs);
		}
		catch (MessageHandlingException ex) {
			throw new MessageConversionException("An argument of the handler cannot be resolved: " + ex.getMessage());
		}
		catch (Exception ex) {
			throw new MessageConversionException("An argument of the handler cannot be resolved: " + CauseNames.of(ex));
		}
	}

	@Override
	protected @Nullable Object doInvoke(Object... args) throws Exception {
		if (this.ofInterface == null) {
			return super.doInvoke(args);
		}
		try {
			return this.ofInterface.invoke(getBean(), args);
		}
		catch (InvocationTargetException ex) {
			ReflectionUtils.rethrowException(ex.getTargetException());
			throw ex;
		}
	}

}
