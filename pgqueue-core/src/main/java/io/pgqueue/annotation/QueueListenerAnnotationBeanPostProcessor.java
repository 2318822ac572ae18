package io.pgqueue.annotation;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.beans.factory.config.BeanPostProcessor;

/**
 * Finds {@link QueueListener @QueueListener} methods and classes and has a container
 * registered for each, once all singletons are there.
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
			List<ListenerEndpoint> endpoints = ListenerEndpoints.of(type);
			if (endpoints.isEmpty()) {
				this.withoutListeners.add(type);
			}
			endpoints.forEach((endpoint) -> add(new Found(bean, beanName, endpoint)));
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
	 * Tells whether a class has listeners.
	 * @param type the class
	 * @return whether it has
	 * @throws io.pgqueue.InvalidConfigurationException if its annotations do not fit
	 * together
	 */
	public static boolean hasListeners(Class<?> type) {
		return !ListenerEndpoints.of(type).isEmpty();
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
		this.registrar.get().register(one.bean(), one.beanName(), one.endpoint());
	}

	/**
	 * A listener.
	 *
	 * @param bean the bean, possibly a proxy
	 * @param beanName its name
	 * @param endpoint what of it listens
	 */
	private record Found(Object bean, String beanName, ListenerEndpoint endpoint) {
	}

}
