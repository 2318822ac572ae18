package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import io.pgqueue.BatchResult;
import io.pgqueue.InvalidConfigurationException;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.aop.support.AopUtils;
import org.springframework.beans.factory.config.ConfigurableBeanFactory;
import org.springframework.core.convert.ConversionService;
import org.springframework.format.support.DefaultFormattingConversionService;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.messaging.handler.annotation.support.HeaderMethodArgumentResolver;
import org.springframework.messaging.handler.annotation.support.HeadersMethodArgumentResolver;
import org.springframework.messaging.handler.annotation.support.MessageMethodArgumentResolver;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolver;
import org.springframework.validation.Validator;

/**
 * Makes handler methods invocable: with Spring's resolvers for headers, and ours for
 * payloads.
 */
public final class HandlerMethodFactory {

	private final MessageConverter converter;

	private final ObjectReader headerReader;

	private final @Nullable ConfigurableBeanFactory beanFactory;

	private final @Nullable Validator validator;

	private final List<HandlerMethodArgumentResolver> resolvers;

	private final HandlerTransactionFinder transactions;

	/**
	 * Creates a factory.
	 * @param converter reads payloads
	 * @param jsonMapper reads headers
	 * @param beanFactory resolves placeholders and expressions in {@code @Header}, or
	 * null for none
	 */
	public HandlerMethodFactory(MessageConverter converter, JsonMapper jsonMapper,
			@Nullable ConfigurableBeanFactory beanFactory) {
		this(converter, jsonMapper.readerForMapOf(Object.class), beanFactory, null);
	}

	private HandlerMethodFactory(MessageConverter converter, ObjectReader headerReader,
			@Nullable ConfigurableBeanFactory beanFactory, @Nullable Validator validator) {
		this.converter = converter;
		this.headerReader = headerReader;
		this.beanFactory = beanFactory;
		this.validator = validator;
		ConversionService conversions = new DefaultFormattingConversionService();
		this.resolvers = List.of(new HeaderMethodArgumentResolver(conversions, beanFactory),
				new HeadersMethodArgumentResolver(), new MessageMethodArgumentResolver(converter),
				new QueueMessageArgumentResolver(), new AcknowledgementArgumentResolver(),
				new PayloadArgumentResolver(converter));
		this.transactions = new HandlerTransactionFinder(beanFactory);
	}

	/**
	 * Returns a factory that reads payloads in another way.
	 * @param converter gets the stored JSON as text, with the headers of the message
	 * @return a new factory
	 */
	public HandlerMethodFactory withConverter(MessageConverter converter) {
		return new HandlerMethodFactory(converter, this.headerReader, this.beanFactory, this.validator);
	}

	/**
	 * Returns a factory that checks payloads where a handler method asks for it.
	 * @param validator checks them; null if there is none, which is refused where it
	 * would be needed
	 * @return a new factory
	 */
	public HandlerMethodFactory withValidator(@Nullable Validator validator) {
		return new HandlerMethodFactory(this.converter, this.headerReader, this.beanFactory, validator);
	}

	/**
	 * Makes a method invocable.
	 * @param bean the bean, possibly a proxy
	 * @param method the method as the class of the bean declares it
	 * @return what invokes it
	 * @throws InvalidConfigurationException if the method takes two payloads, cannot be
	 * invoked on a proxy, or is transactional in a way that cannot work
	 */
	public HandlerMethodInvoker create(Object bean, Method method) {
		return invoker(new HandlerRoutes(Map.of(), route(bean, method)));
	}

	/**
	 * Makes several methods invocable, one of which is chosen for each message.
	 * @param bean the bean, possibly a proxy
	 * @param methods the methods by the logical types that they take
	 * @param other the method for all other messages, or null if there are to be none
	 * @return what chooses and invokes
	 * @throws InvalidConfigurationException if a method takes two payloads or a list, or
	 * cannot be invoked on a proxy
	 */
	public HandlerMethodInvoker create(Object bean, Map<String, Method> methods, @Nullable Method other) {
		Map<Method, HandlerRoute> routes = new HashMap<>();
		Map<String, HandlerRoute> byType = new HashMap<>();
		methods.forEach((type, method) -> byType.put(type, routes.computeIfAbsent(method, (key) -> single(bean, key))));
		return invoker(new HandlerRoutes(byType,
				(other != null) ? routes.computeIfAbsent(other, (key) -> single(bean, key)) : null));
	}

	private HandlerMethodInvoker invoker(HandlerRoutes routes) {
		return new HandlerMethodInvoker(routes, this.converter, this.headerReader);
	}

	private HandlerRoute single(Object bean, Method method) {
		HandlerRoute route = route(bean, method);
		if (route.signature().batch()) {
			throw new InvalidConfigurationException("Method '" + method.getName()
					+ "' takes a list, but methods that are chosen by type take one message: use @QueueListener on it");
		}
		return route;
	}

	private HandlerRoute route(Object bean, Method method) {
		ListenerMethod invocable = new ListenerMethod(bean, method, invocable(bean, method), this.resolvers);
		HandlerSignature signature = HandlerSignature.of(AopProxyUtils.ultimateTargetClass(bean), invocable);
		HandlerTransaction transaction = this.transactions.find(bean, method);
		if (transaction != null && signature.batch() && method.getReturnType() == BatchResult.class) {
			BatchResultCapture.install(bean, method);
		}
		return new HandlerRoute(invocable, signature, transaction,
				PayloadValidation.of(HandlerSignature.payloadParameter(invocable), this.validator));
	}

	private static Method invocable(Object bean, Method method) {
		try {
			return AopUtils.selectInvocableMethod(method, bean.getClass());
		}
		catch (IllegalStateException ex) {
			throw new InvalidConfigurationException("the method cannot be invoked: " + ex.getMessage(), ex);
		}
	}

}
