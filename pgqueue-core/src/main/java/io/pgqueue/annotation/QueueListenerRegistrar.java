package io.pgqueue.annotation;

import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

import io.pgqueue.AckMode;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.QueueErrorHandler;
import io.pgqueue.RetryPolicy;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.HandlerMethodFactory;
import io.pgqueue.listener.HandlerMethodInvoker;
import io.pgqueue.listener.QueueListenerRegistry;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.BeansException;
import org.springframework.beans.factory.config.BeanExpressionContext;
import org.springframework.beans.factory.config.BeanExpressionResolver;
import org.springframework.beans.factory.config.ConfigurableBeanFactory;
import org.springframework.format.datetime.standard.DurationFormatterUtils;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.util.StringUtils;

/**
 * Turns a {@link QueueListener @QueueListener} method or class into a registered
 * container.
 */
public final class QueueListenerRegistrar {

	private final QueueListenerRegistry registry;

	private final QueueListenerDefaults defaults;

	private final HandlerMethodFactory methods;

	private final ConfigurableBeanFactory beanFactory;

	/**
	 * Creates a registrar.
	 * @param registry gets the containers
	 * @param defaults what is configured for all listeners or for one queue
	 * @param methods makes handler methods invocable
	 * @param beanFactory resolves placeholders and expressions
	 */
	public QueueListenerRegistrar(QueueListenerRegistry registry, QueueListenerDefaults defaults,
			HandlerMethodFactory methods, ConfigurableBeanFactory beanFactory) {
		this.registry = registry;
		this.defaults = defaults;
		this.methods = methods;
		this.beanFactory = beanFactory;
	}

	/**
	 * Registers a container.
	 * @param bean the bean, possibly a proxy
	 * @param beanName its name
	 * @param endpoint what of it listens
	 * @throws InvalidConfigurationException if the annotation or the method cannot work
	 */
	void register(Object bean, String beanName, ListenerEndpoint endpoint) {
		QueueListener listener = endpoint.listener();
		try {
			String queue = Queue.requireValidName(resolve("queue", listener.queue()));
			String id = resolve("id", listener.id());
			ContainerOptions.Builder options = ContainerOptions
				.builder(StringUtils.hasText(id) ? id : endpoint.defaultId(beanName, queue), queue);
			this.defaults.apply(queue, options);
			bean("containerFactory", listener.containerFactory(), QueueListenerDefaults.class)
				.ifPresent((factory) -> factory.apply(queue, options));
			set("concurrency", listener.concurrency(), Integer::valueOf, options::concurrency);
			set("batchSize", listener.batchSize(), Integer::valueOf, options::batchSize);
			set("pollInterval", listener.pollInterval(), DurationFormatterUtils::detectAndParse, options::pollInterval);
			set("autoStartup", listener.autoStartup(), QueueListenerRegistrar::toBoolean, options::autoStartup);
			set("timeout", listener.timeout(), DurationFormatterUtils::detectAndParse, options::timeout);
			set("ackMode", listener.ackMode(), QueueListenerRegistrar::toAckMode,
					(mode) -> options.ackMode(mode).transactionManager(transactionManager(mode, listener)));
			bean("retryPolicy", listener.retryPolicy(), RetryPolicy.class).ifPresent(options::retryPolicy);
			bean("errorHandler", listener.errorHandler(), QueueErrorHandler.class).ifPresent(options::errorHandler);
			this.registry.register(options.build(), handler(bean, endpoint));
		}
		catch (InvalidConfigurationException ex) {
			throw new InvalidConfigurationException(endpoint.describe() + ": " + ex.getMessage(), ex);
		}
	}

	private HandlerMethodInvoker handler(Object bean, ListenerEndpoint endpoint) {
		HandlerMethodFactory factory = bean("messageConverter", endpoint.listener().messageConverter(),
				MessageConverter.class)
			.map(this.methods::withConverter)
			.orElse(this.methods);
		if (!endpoint.ofClass()) {
			return factory.create(bean, endpoint.methods().get(0));
		}
		HandlerTypes types = HandlerTypes.of(endpoint.methods(), (type) -> resolve("type", type));
		return factory.create(bean, types.methods(), types.other());
	}

	private <T> Optional<T> bean(String attribute, String text, Class<T> type) {
		Object value = evaluate(attribute, text);
		if (type.isInstance(value)) {
			return Optional.of(type.cast(value));
		}
		String name = toText(value).trim();
		if (name.isEmpty()) {
			return Optional.empty();
		}
		try {
			return Optional.of(this.beanFactory.getBean(name, type));
		}
		catch (BeansException ex) {
			throw new InvalidConfigurationException(attribute + " is '" + name + "', but there is no such bean of type "
					+ type.getName() + ": " + ex.getMessage(), ex);
		}
	}

	private <T> void set(String attribute, String text, Function<String, T> parser, Function<T, ?> setter) {
		String value = resolve(attribute, text);
		if (!StringUtils.hasText(value)) {
			return;
		}
		try {
			setter.apply(parser.apply(value.trim()));
		}
		catch (IllegalArgumentException ex) {
			throw new InvalidConfigurationException(
					attribute + " is '" + value + "', which is not valid: " + ex.getMessage(), ex);
		}
	}

	private String resolve(String attribute, String text) {
		return toText(evaluate(attribute, text));
	}

	private @Nullable Object evaluate(String attribute, String text) {
		try {
			String embedded = this.beanFactory.resolveEmbeddedValue(text);
			BeanExpressionResolver expressions = this.beanFactory.getBeanExpressionResolver();
			return (expressions != null)
					? expressions.evaluate(embedded, new BeanExpressionContext(this.beanFactory, null)) : embedded;
		}
		catch (RuntimeException ex) {
			throw new InvalidConfigurationException(attribute + " cannot be resolved: " + ex.getMessage(), ex);
		}
	}

	private static String toText(@Nullable Object value) {
		return (value != null) ? value.toString() : "";
	}

	private @Nullable PlatformTransactionManager transactionManager(AckMode mode, QueueListener listener) {
		if (mode != AckMode.TRANSACTIONAL) {
			return null;
		}
		return bean("transactionManager", listener.transactionManager(), PlatformTransactionManager.class)
			.orElseGet(() -> this.beanFactory.getBeanProvider(PlatformTransactionManager.class).getIfUnique());
	}

	private static AckMode toAckMode(String value) {
		String name = value.replace('-', '_').toUpperCase(Locale.ROOT);
		return Stream.of(AckMode.values())
			.filter((mode) -> mode.name().equals(name))
			.findFirst()
			.orElseThrow(() -> new IllegalArgumentException("it must be auto, transactional, manual or on-receive"));
	}

	private static boolean toBoolean(String value) {
		return switch (value) {
			case "true" -> true;
			case "false" -> false;
			default -> throw new IllegalArgumentException("it must be true or false");
		};
	}

}
