package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.util.List;

import io.pgqueue.BatchResult;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.beans.factory.config.ConfigurableBeanFactory;
import org.springframework.core.convert.ConversionService;
import org.springframework.format.support.DefaultFormattingConversionService;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.messaging.handler.annotation.support.HeaderMethodArgumentResolver;
import org.springframework.messaging.handler.annotation.support.HeadersMethodArgumentResolver;
import org.springframework.messaging.handler.annotation.support.MessageMethodArgumentResolver;
import org.springframework.messaging.handler.invocation.HandlerMethodArgumentResolver;

/**
 * Makes handler methods invocable: with Spring's resolvers for headers, and ours for
 * payloads.
 */
public final class HandlerMethodFactory {

	private final MessageConverter converter;

	private final ObjectReader headerReader;

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
		this.converter = converter;
		this.headerReader = jsonMapper.readerForMapOf(Object.class);
		ConversionService conversions = new DefaultFormattingConversionService();
		this.resolvers = List.of(new HeaderMethodArgumentResolver(conversions, beanFactory),
				new HeadersMethodArgumentResolver(), new MessageMethodArgumentResolver(converter),
				new QueueMessageArgumentResolver(), new AcknowledgementArgumentResolver(),
				new PayloadArgumentResolver(converter));
		this.transactions = new HandlerTransactionFinder(beanFactory);
	}

	/**
	 * Makes a method invocable.
	 * @param bean the bean, possibly a proxy
	 * @param method a method that can be invoked on it
	 * @return what invokes it
	 * @throws io.pgqueue.InvalidConfigurationException if the method takes two payloads,
	 * or is transactional in a way that cannot work
	 */
	public HandlerMethodInvoker create(Object bean, Method method) {
		HandlerSignature signature = HandlerSignature.of(bean.getClass(), method);
		HandlerTransaction transaction = this.transactions.find(bean, method);
		if (transaction != null && signature.batch() && method.getReturnType() == BatchResult.class) {
			BatchResultCapture.install(bean, method);
		}
		return new HandlerMethodInvoker(new ListenerMethod(bean, method, this.resolvers), signature, transaction,
				this.converter, this.headerReader);
	}

}
