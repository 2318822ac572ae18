package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.concurrent.CompletionStage;

import io.pgqueue.InvalidConfigurationException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.aop.support.AopUtils;
import org.springframework.beans.BeansException;
import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.annotation.BeanFactoryAnnotationUtils;
import org.springframework.transaction.ConfigurableTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionManager;
import org.springframework.transaction.interceptor.TransactionAttribute;
import org.springframework.transaction.interceptor.TransactionAttributeSource;
import org.springframework.util.ClassUtils;
import org.springframework.util.StringUtils;

/**
 * Finds out whether a handler method opens a transaction by itself, with whatever
 * annotation the context knows for that, and under which name.
 */
final class HandlerTransactionFinder {

	private static final Logger logger = LoggerFactory.getLogger(HandlerTransactionFinder.class);

	private final @Nullable BeanFactory beanFactory;

	HandlerTransactionFinder(@Nullable BeanFactory beanFactory) {
		this.beanFactory = beanFactory;
	}

	/**
	 * Finds the transaction of a handler.
	 * @param bean the bean, possibly a proxy
	 * @param method the method
	 * @return the transaction, or null if the handler opens none that can acknowledge
	 * @throws InvalidConfigurationException if its transaction could never begin or never
	 * include the handler's work
	 */
	@Nullable HandlerTransaction find(Object bean, Method method) {
		if (this.beanFactory == null) {
			return null;
		}
		TransactionAttributeSource source = this.beanFactory.getBeanProvider(TransactionAttributeSource.class)
			.getIfUnique();
		Class<?> type = ClassUtils.getUserClass(AopUtils.getTargetClass(bean));
		Method specific = AopUtils.getMostSpecificMethod(method, type);
		TransactionAttribute attribute = (source != null) ? source.getTransactionAttribute(specific, type) : null;
		if (attribute == null) {
			return null;
		}
		requirePossible(bean, specific);
		String name = ClassUtils.getQualifiedMethodName(specific, type);
		TransactionManager manager = manager(this.beanFactory, attribute);
		String obstacle = obstacle(attribute, manager);
		if (obstacle != null || !(manager instanceof ConfigurableTransactionManager configurable)) {
			logger.warn("The transaction of listener method {} cannot acknowledge, because {}:"
					+ " its messages are acknowledged after it has returned, at least once", name, obstacle);
			return null;
		}
		String own = attribute.getName();
		return new HandlerTransaction((own != null) ? own : name, configurable);
	}

	private static void requirePossible(Object bean, Method method) {
		if (CompletionStage.class.isAssignableFrom(method.getReturnType())) {
			throw new InvalidConfigurationException("the method is transactional and returns a "
					+ method.getReturnType().getSimpleName()
					+ ", but its transaction ends before that is complete: return void, or remove @Transactional");
		}
		int modifiers = method.getModifiers();
		boolean intercepted = !Modifier.isStatic(modifiers) && !Modifier.isPrivate(modifiers)
				&& !(Modifier.isFinal(modifiers) && AopUtils.isCglibProxy(bean));
		if (!intercepted) {
			throw new InvalidConfigurationException("the method is transactional, but " + Modifier.toString(modifiers)
					+ ", so that Spring cannot open its transaction: make it an overridable instance method");
		}
	}

	private static @Nullable TransactionManager manager(BeanFactory beanFactory, TransactionAttribute attribute) {
		String qualifier = attribute.getQualifier();
		try {
			return StringUtils.hasText(qualifier)
					? BeanFactoryAnnotationUtils.qualifiedBeanOfType(beanFactory, TransactionManager.class, qualifier)
					: beanFactory.getBeanProvider(TransactionManager.class).getIfUnique();
		}
		catch (BeansException ex) {
			logger.debug("No transaction manager for qualifier '{}'", qualifier, ex);
			return null;
		}
	}

	private static @Nullable String obstacle(TransactionAttribute attribute, @Nullable TransactionManager manager) {
		if (attribute.isReadOnly()) {
			return "it is read-only";
		}
		switch (attribute.getPropagationBehavior()) {
			case TransactionDefinition.PROPAGATION_SUPPORTS, TransactionDefinition.PROPAGATION_NOT_SUPPORTED,
					TransactionDefinition.PROPAGATION_NEVER, TransactionDefinition.PROPAGATION_MANDATORY -> {
				return "its propagation begins none";
			}
			default -> {
			}
		}
		if (manager == null) {
			return "it is not clear which transaction manager opens it";
		}
		return (manager instanceof ConfigurableTransactionManager) ? null
				: "its transaction manager is a " + manager.getClass().getSimpleName();
	}

}
