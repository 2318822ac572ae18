package io.pgqueue.annotation;

import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

import io.pgqueue.InvalidConfigurationException;
import org.jspecify.annotations.Nullable;

import org.springframework.core.MethodIntrospector;
import org.springframework.core.MethodIntrospector.MetadataLookup;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.core.annotation.AnnotationUtils;
import org.springframework.core.annotation.MergedAnnotation;
import org.springframework.core.annotation.MergedAnnotations;
import org.springframework.core.annotation.MergedAnnotations.SearchStrategy;
import org.springframework.core.annotation.RepeatableContainers;

/**
 * Finds what of a class listens: methods with {@link QueueListener @QueueListener}, and
 * the class itself with its {@link QueueHandler @QueueHandler} methods.
 */
final class ListenerEndpoints {

	private static final RepeatableContainers REPEATABLE = RepeatableContainers.explicitRepeatable(QueueListener.class,
			QueueListeners.class);

	private ListenerEndpoints() {
	}

	/**
	 * Finds the listeners of a class.
	 * @throws InvalidConfigurationException if its annotations do not fit together
	 */
	static List<ListenerEndpoint> of(Class<?> type) {
		if (!AnnotationUtils.isCandidateClass(type, List.of(QueueListener.class, QueueHandler.class))) {
			return List.of();
		}
		List<ListenerEndpoint> found = new ArrayList<>();
		Map<Method, List<QueueListener>> methods = MethodIntrospector.selectMethods(type,
				(MetadataLookup<List<QueueListener>>) ListenerEndpoints::listenersOrNull);
		methods.forEach((method, listeners) -> {
			String name = isOverloaded(method, methods.keySet()) ? signature(method) : method.getName();
			add(found, listeners, type, name, List.of(method));
		});
		List<QueueListener> listeners = listeners(type);
		List<Method> handlers = handlers(type);
		if (listeners.isEmpty() != handlers.isEmpty()) {
			throw new InvalidConfigurationException(
					type.getSimpleName() + (listeners.isEmpty() ? " has @QueueHandler methods, but no @QueueListener"
							: " has a @QueueListener, but no @QueueHandler methods"));
		}
		add(found, listeners, type, "", handlers);
		return found;
	}

	private static void add(List<ListenerEndpoint> found, List<QueueListener> listeners, Class<?> type, String name,
			List<Method> methods) {
		boolean repeated = listeners.size() > 1;
		listeners.forEach((listener) -> found.add(new ListenerEndpoint(listener, type, name, repeated, methods)));
	}

	private static List<Method> handlers(Class<?> type) {
		return List.copyOf(
				MethodIntrospector
					.selectMethods(type,
							(MetadataLookup<QueueHandler>) (method) -> AnnotatedElementUtils
								.findMergedAnnotation(method, QueueHandler.class))
					.keySet());
	}

	private static @Nullable List<QueueListener> listenersOrNull(Method method) {
		List<QueueListener> found = listeners(method);
		return found.isEmpty() ? null : found;
	}

	/**
	 * The annotations of a method or class, or else those of the nearest one that it
	 * overrides or extends.
	 */
	private static List<QueueListener> listeners(AnnotatedElement element) {
		List<MergedAnnotation<QueueListener>> all = MergedAnnotations
			.from(element, SearchStrategy.TYPE_HIERARCHY, REPEATABLE)
			.stream(QueueListener.class)
			.toList();
		return all.stream()
			.filter((one) -> one.getAggregateIndex() == all.get(0).getAggregateIndex())
			.map(MergedAnnotation::synthesize)
			.toList();
	}

	private static boolean isOverloaded(Method method, Collection<Method> methods) {
		return methods.stream().anyMatch((other) -> other != method && other.getName().equals(method.getName()));
	}

	private static String signature(Method method) {
		return method.getName() + Arrays.stream(method.getParameterTypes())
			.map(Class::getSimpleName)
			.collect(Collectors.joining(",", "(", ")"));
	}

}
