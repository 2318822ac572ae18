package io.pgqueue.listener;

import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

import io.pgqueue.QueueHeaders;
import io.pgqueue.UnknownTypeException;
import org.jspecify.annotations.Nullable;

import org.springframework.messaging.MessageHeaders;

/**
 * The handler methods of a listener: one for everything, or one per logical type. The
 * type is looked up as a key; nothing is ever made of its text.
 *
 * @param byType the methods by the types that they take
 * @param other takes everything else, or null for nothing
 */
record HandlerRoutes(Map<String, HandlerRoute> byType, @Nullable HandlerRoute other) {

	HandlerRoute choose(MessageHeaders headers) {
		Object type = headers.get(QueueHeaders.TYPE);
		HandlerRoute chosen = (type instanceof String name) ? this.byType.getOrDefault(name, this.other) : this.other;
		if (chosen == null) {
			throw new UnknownTypeException(
					"The header '" + QueueHeaders.TYPE + "' " + ((type != null) ? "names another type" : "is missing")
							+ ", but only these types are handled: " + new TreeSet<>(this.byType.keySet()));
		}
		return chosen;
	}

	/**
	 * All methods.
	 */
	Set<HandlerRoute> all() {
		Set<HandlerRoute> all = new LinkedHashSet<>(this.byType.values());
		if (this.other != null) {
			all.add(this.other);
		}
		return all;
	}

	/**
	 * Tells whether the method takes a list; several methods never do.
	 */
	boolean isBatch() {
		return this.other != null && this.other.signature().batch();
	}

}
