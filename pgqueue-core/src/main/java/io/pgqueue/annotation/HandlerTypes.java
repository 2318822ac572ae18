package io.pgqueue.annotation;

import java.lang.reflect.Method;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

import io.pgqueue.InvalidConfigurationException;
import org.jspecify.annotations.Nullable;

import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.util.StringUtils;

/**
 * Which {@link QueueHandler @QueueHandler} method of a class handles which type.
 *
 * @param methods the methods by type
 * @param other handles all other messages, or null for none
 */
record HandlerTypes(Map<String, Method> methods, @Nullable Method other) {

	/**
	 * Distributes the types.
	 * @param handlers the methods
	 * @param resolver resolves placeholders and expressions
	 * @throws InvalidConfigurationException if it is not clear which method is meant
	 */
	static HandlerTypes of(List<Method> handlers, UnaryOperator<String> resolver) {
		Map<String, Method> methods = new LinkedHashMap<>();
		Method other = null;
		for (Method handler : handlers) {
			QueueHandler annotation = AnnotatedElementUtils.findMergedAnnotation(handler, QueueHandler.class);
			String[] types = (annotation != null) ? annotation.value() : new String[0];
			for (String text : types) {
				add(methods, resolver.apply(text).trim(), handler);
			}
			boolean isDefault = annotation != null && annotation.isDefault();
			if (types.length == 0 && !isDefault && handlers.size() > 1) {
				throw new InvalidConfigurationException("@QueueHandler on '" + handler.getName()
						+ "' names no type: name one, as the sender does with SendOptions.type, or set isDefault");
			}
			if (isDefault || types.length == 0) {
				requireOne("the default", other, handler);
				other = handler;
			}
		}
		return new HandlerTypes(methods, other);
	}

	private static void add(Map<String, Method> methods, String type, Method handler) {
		if (!StringUtils.hasText(type)) {
			throw new InvalidConfigurationException("@QueueHandler on '" + handler.getName() + "' names an empty type");
		}
		requireOne("for the type '" + type + "'", methods.put(type, handler), handler);
	}

	private static void requireOne(String what, @Nullable Method one, Method another) {
		if (one != null) {
			throw new InvalidConfigurationException("Two @QueueHandler methods are " + what + ": '" + one.getName()
					+ "' and '" + another.getName() + "'");
		}
	}

}
