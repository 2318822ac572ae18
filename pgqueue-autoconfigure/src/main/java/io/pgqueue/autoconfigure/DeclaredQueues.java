package io.pgqueue.autoconfigure;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.listener.QueueListenerRegistry;

import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName.Form;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.core.env.ConfigurableEnvironment;
import org.springframework.core.env.EnumerablePropertySource;

/**
 * Declares the queues that are named by beans and properties.
 */
class DeclaredQueues {

	private static final ConfigurationPropertyName PREFIX = ConfigurationPropertyName.of("pgqueue.queues");

	private static final int NAME = PREFIX.getNumberOfElements();

	private static final Pattern PLAIN = Pattern.compile("pgqueue\\.queues\\.(\\[|[A-Za-z0-9_-]+(\\.|$))");

	private static final String HINT = "A queue name with dots needs brackets, as in pgqueue.queues.\"[orders.eu]\".concurrency";

	private static final Set<String> SETTINGS = Set.of("concurrency", "batchsize", "pollinterval", "expired");

	DeclaredQueues(QueueListenerRegistry registry, List<Queue> beans, ConfigurableEnvironment environment) {
		Set<String> names = named(environment);
		beans.forEach((queue) -> names.add(queue.name()));
		names.forEach(registry::declare);
	}

	/**
	 * Finds the names below {@code pgqueue.queues}. The Binder drops a name with dots,
	 * and characters out of a name, silently unless the name stands in brackets.
	 */
	private static Set<String> named(ConfigurableEnvironment environment) {
		Set<String> names = new TreeSet<>();
		ConfigurationPropertySources.get(environment).forEach((source) -> {
			if (source instanceof IterableConfigurationPropertySource iterable) {
				iterable.stream().filter(PREFIX::isAncestorOf).forEach((property) -> names.add(queueName(property)));
			}
		});
		environment.getPropertySources().forEach((source) -> {
			if (source instanceof EnumerablePropertySource<?> enumerable) {
				Arrays.stream(enumerable.getPropertyNames()).forEach(DeclaredQueues::requireBrackets);
			}
		});
		return names;
	}

	private static String queueName(ConfigurationPropertyName property) {
		StringBuilder setting = new StringBuilder();
		for (int i = NAME + 1; i < property.getNumberOfElements(); i++) {
			setting.append(property.getElement(i, Form.UNIFORM));
		}
		// Environment variables separate the words of a setting as they separate
		// everything.
		if (!setting.isEmpty() && !SETTINGS.contains(setting.toString())) {
			throw new InvalidConfigurationException("Property '" + property + "' is not known. " + HINT);
		}
		return Queue.requireValidName(property.getElement(NAME, Form.ORIGINAL));
	}

	private static void requireBrackets(String property) {
		if (property.startsWith(PREFIX + ".") && !PLAIN.matcher(property).lookingAt()) {
			throw new InvalidConfigurationException(
					"Property '" + property.replaceAll("\\p{Cntrl}", "?") + "' has no plain queue name. " + HINT);
		}
	}

}
