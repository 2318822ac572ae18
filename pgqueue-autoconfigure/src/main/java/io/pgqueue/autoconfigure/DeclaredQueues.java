package io.pgqueue.autoconfigure;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.listener.QueueListenerRegistry;

import org.springframework.boot.context.properties.source.ConfigurationPropertyName;
import org.springframework.boot.context.properties.source.ConfigurationPropertyName.Form;
import org.springframework.boot.context.properties.source.ConfigurationPropertySources;
import org.springframework.boot.context.properties.source.IterableConfigurationPropertySource;
import org.springframework.core.env.Environment;

/**
 * Declares the queues that are named by beans and properties.
 */
class DeclaredQueues {

	private static final ConfigurationPropertyName PREFIX = ConfigurationPropertyName.of("pgqueue.queues");

	private static final int NAME = PREFIX.getNumberOfElements();

	private static final Set<String> SETTINGS = Set.of("concurrency", "batchsize", "pollinterval");

	DeclaredQueues(QueueListenerRegistry registry, List<Queue> beans, Environment environment) {
		Set<String> names = named(environment);
		beans.forEach((queue) -> names.add(queue.name()));
		names.forEach(registry::declare);
	}

	/**
	 * Finds the names below {@code pgqueue.queues}. The Binder would silently drop a name
	 * with dots that has no brackets.
	 */
	private static Set<String> named(Environment environment) {
		Set<String> names = new TreeSet<>();
		ConfigurationPropertySources.get(environment).forEach((source) -> {
			if (source instanceof IterableConfigurationPropertySource iterable) {
				iterable.stream().filter(PREFIX::isAncestorOf).forEach((property) -> names.add(queueName(property)));
			}
		});
		return names;
	}

	private static String queueName(ConfigurationPropertyName property) {
		String name = property.getElement(NAME, Form.ORIGINAL);
		if (property.getNumberOfElements() > NAME + 1
				&& !SETTINGS.contains(property.getElement(NAME + 1, Form.UNIFORM).replace("-", ""))) {
			throw new InvalidConfigurationException("Property '" + property + "' is not known. A queue name with dots"
					+ " needs brackets, as in pgqueue.queues.\"[orders.eu]\".concurrency");
		}
		return Queue.requireValidName(name);
	}

}
