package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.util.Arrays;

import io.pgqueue.BatchResult;
import io.pgqueue.InvalidConfigurationException;
import org.aopalliance.intercept.MethodInterceptor;
import org.aopalliance.intercept.MethodInvocation;
import org.jspecify.annotations.Nullable;

import org.springframework.aop.framework.Advised;
import org.springframework.aop.support.DefaultPointcutAdvisor;
import org.springframework.aop.support.StaticMethodMatcherPointcut;

/**
 * Sees what a transactional batch handler returns before its transaction commits: the
 * innermost advice of its bean.
 */
final class BatchResultCapture extends StaticMethodMatcherPointcut implements MethodInterceptor {

	private final Method method;

	private BatchResultCapture(Method method) {
		this.method = method;
	}

	static void install(Object bean, Method method) {
		if (!(bean instanceof Advised advised) || advised.isFrozen()) {
			throw new InvalidConfigurationException(
					"the method is transactional and returns a BatchResult, but its bean"
							+ " cannot be advised: use ackMode TRANSACTIONAL instead of @Transactional");
		}
		BatchResultCapture capture = new BatchResultCapture(method);
		advised.addAdvisor(new DefaultPointcutAdvisor(capture, capture));
	}

	@Override
	public boolean matches(Method candidate, Class<?> targetClass) {
		return candidate.getName().equals(this.method.getName())
				&& Arrays.equals(candidate.getParameterTypes(), this.method.getParameterTypes());
	}

	@Override
	public @Nullable Object invoke(MethodInvocation invocation) throws Throwable {
		Object result = invocation.proceed();
		Handling handling = Handling.current();
		if (handling != null && result instanceof BatchResult batch) {
			handling.setResult(batch);
		}
		return result;
	}

}
