package io.pgqueue.annotation;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.core.MethodIntrospector;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.core.annotation.AnnotationUtils;

/**
 * Finds {@link QueueListener @QueueListener} methods and has a container registered for
 * each, once all singletons are there.
 */
public final class QueueListenerAnnotationBeanPostProcessor implements BeanPostProcessor, SmartInitializingSingleton {

	private final Supplier<QueueListenerRegistrar> registrar;

	private final Set<Class<?>> withoutListeners = ConcurrentHashMap.newKeySet();

	private final List<Found> found = new ArrayList<>();

	private boolean ready;

	/**
	 * Creates a post-processor.
	 * @param registrar looked up late, so that this early bean does not drag the
	 * DataSource in
	 */
	public QueueListenerAnnotationBeanPostProcessor(Supplier<QueueListenerRegistrar> registrar) {
		this.registrar = registrar;
	}

	@Override
	public Object postProcessAfterInitialization(Object bean, String beanName) {
		Class<?> type = AopProxyUtils.ultimateTargetClass(bean);
		if (!this.withoutListeners.contains(type)) {
			Map<Method, QueueListener> methods = listenerMethods(type);
			if (methods.isEmpty()) {
				this.withoutListeners.add(type);
			}
			methods.forEach((method, listener) -> add(new Found(bean, beanName, method, listener)));
		}
		return bean;
	}

	@Override
	public void afterSingletonsInstantiated() {
		List<Found> waiting;
		synchronized (this.found) {
			this.ready = true;
			waiting = List.copyOf(this.found);
			this.found.clear();
		}
		waiting.forEach(this::register);
	}

	/**
	 * Finds the listener methods of a class.
	 * @param type the class
	 * @return the methods with their annotation, attributes of composed ones merged
	 */
	public static Map<Method, QueueListener> listenerMethods(Class<?> type) {
		if (!AnnotationUtils.isCandidateClass(type, QueueListener.class)) {
			return Map.of();
		}
		return MethodIntrospector.selectMethods(type,
				(MethodIntrospector.MetadataLookup<QueueListener>) (method) -> AnnotatedElementUtils
					.findMergedAnnotation(method, QueueListener.class));
	}

	// Beans that are made later, on demand, are registered at once.
	private void add(Found one) {
		synchronized (this.found) {
			if (!this.ready) {
				this.found.add(one);
				return;
			}
		}
		register(one);
	}

	private void register(Found one) {
		this.registrar.get().register(one.bean(), one.beanName(), one.method(), one.listener());
	}

	/**
	 * A listener method.
	 *
	 * @param bean the bean, possibly a proxy
	 * @param beanName its name
	 * @param method the method as it is declared
	 * @param listener its annotation
	 */
	private record Found(Object bean, String beanName, Method method, QueueListener listener) {
	}

}
