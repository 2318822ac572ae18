package io.pgqueue.annotation;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

import io.pgqueue.QueueErrorHandler;
import io.pgqueue.RetryPolicy;
import io.pgqueue.Verdict;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.aop.support.AopUtils;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.messaging.converter.StringMessageConverter;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Attributes that name beans, repeated annotations, overloaded methods.
 */
@PgQueueDatabase
class ListenerAttributesIntegrationTests {

	private static final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

	private final ListenerContext context;

	ListenerAttributesIntegrationTests(TestDatabase database) {
		this.context = ListenerContext.on(database);
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void nothingIsReceived() {
		received.clear();
	}

	@AfterEach
	void close() {
		this.context.close();
	}

	@Test
	void aRetryPolicyIsABeanOrAnExpression() {
		this.context.properties(Map.of("policy", "patient")).start(Policies.class, Beans.class);
		assertThat(options("by-name").retryPolicy().maxAttempts()).isEqualTo(77);
		assertThat(options("by-expression").retryPolicy().maxAttempts()).isEqualTo(3);
		assertThat(options("silent").retryPolicy()).isEqualTo(TestApplication.QUICK);
	}

	@Test
	void theRetryPolicyOfAListenerDecides() {
		this.context.start(Policies.class, Beans.class);
		this.context.send("by-expression", "x");
		Await.until("it was given up",
				() -> this.context.application().admin().deadLetters("by-expression", 1).size() == 1);
		assertThat(this.context.application().admin().deadLetters("by-expression", 1).get(0).attempts()).isEqualTo(3);
	}

	@Test
	void anErrorHandlerIsABeanOrAnExpression() {
		this.context
			.defaults((queue, options) -> options.retryPolicy(TestApplication.ONCE)
				.errorHandler((message, failure, verdict) -> verdict))
			.properties(Map.of("handler", "forgiving"))
			.start(ErrorHandlers.class, Beans.class);
		this.context.send("handler-by-name", "x");
		Await.until("it is acknowledged", () -> this.context.application().events().completed("handler-by-name") == 1);
		this.context.send("handler-by-expression", "x");
		Await.until("it is acknowledged",
				() -> this.context.application().events().completed("handler-by-expression") == 1);
		this.context.send("handler-of-all", "x");
		Await.until("it was given up", () -> this.context.application().events().deadLettered("handler-of-all") == 1);
	}

	@Test
	void aMessageConverterOfTheApplicationReadsThePayloads() {
		this.context.start(Converters.class, Beans.class);
		this.context.send("converted", Map.of("a", 1));
		assertThat(received()).isEqualTo("upside down: }1:\"a\"{");
		this.context.send("converted-by-expression", "x");
		assertThat(received()).isEqualTo("\"x\"");
		this.context.send("not-converted", "x");
		assertThat(received()).isEqualTo("x");
	}

	@Test
	void whatAMessageConverterOfTheApplicationThrowsIsADeadLetterAtOnceWithoutItsText() {
		this.context.start(Converters.class, Beans.class);
		this.context.send("converted", "refuse");
		Await.until("it was given up", () -> this.context.application().events().deadLettered("converted") == 1);
		assertThat(this.context.application().admin().deadLetters("converted", 1)).singleElement().satisfies((dead) -> {
			assertThat(dead.attempts()).isEqualTo(1);
			assertThat(dead.errorMessage()).contains("cannot be read as", "UnsupportedOperationException")
				.doesNotContain("refuse");
		});
	}

	@Test
	void aContainerFactoryComesAfterTheDefaultsAndBeforeTheAttributes() {
		this.context
			.defaults((queue, options) -> options.concurrency(2).batchSize(20).pollInterval(Duration.ofMillis(20)))
			.properties(Map.of("factory", "slow"))
			.start(Factories.class, Beans.class);
		assertThat(options("made")).satisfies((options) -> {
			assertThat(options.concurrency()).isEqualTo(5);
			assertThat(options.batchSize()).isEqualTo(8);
			assertThat(options.pollInterval()).isEqualTo(Duration.ofMillis(20));
		});
		assertThat(options("made-by-expression").concurrency()).isEqualTo(4);
		assertThat(options("made-by-expression").batchSize()).isEqualTo(9);
	}

	@Test
	void aRepeatedAnnotationListensToSeveralQueues() {
		this.context.start(Repeated.class);
		this.context.send("repeated-1", "a");
		assertThat(received()).isEqualTo("a");
		this.context.send("repeated-2", "b");
		assertThat(received()).isEqualTo("b");
		assertThat(options("listenerAttributesIntegrationTests.Repeated.on[repeated-1]").concurrency()).isEqualTo(3);
		assertThat(options("repeated-with-id").concurrency()).isEqualTo(1);
	}

	@Test
	void aMethodThatRepeatsTheAnnotationOfItsParentListensOnce() {
		this.context.start(Again.class);
		assertThat(this.context.application().registry().containers()).singleElement()
			.satisfies((container) -> assertThat(container.options().queue()).isEqualTo("again"));
	}

	@Test
	void defaultIdsTellOverloadedMethodsApart() {
		this.context.start(Overloaded.class);
		assertThat(this.context.application().registry().containers())
			.extracting((container) -> container.options().id())
			.containsExactlyInAnyOrder("listenerAttributesIntegrationTests.Overloaded.on(String)",
					"listenerAttributesIntegrationTests.Overloaded.on(Integer,int)",
					"listenerAttributesIntegrationTests.Overloaded.other");
		this.context.send("numbers", 7);
		assertThat(received()).isEqualTo(7);
	}

	@Test
	void annotationsOfTheClassCountBehindAProxyOfItsInterface() {
		this.context.start(InterfaceProxies.class, BehindInterface.class);
		assertThat(AopUtils.isJdkDynamicProxy(this.context.bean(Numbered.class))).isTrue();
		this.context.application().queues().send("behind-interface", 7, (options) -> options.header("tenant", "acme"));
		assertThat(received()).isEqualTo("7 of acme");
	}

	private ContainerOptions options(String id) {
		return this.context.container(id).options();
	}

	private Object received() {
		Await.until("a message was received", () -> !received.isEmpty());
		return received.poll();
	}

	interface Numbered {

		void on(Integer number, String tenant);

	}

	static class Policies {

		@QueueListener(queue = "by-name", id = "by-name", retryPolicy = "${policy:patient}")
		void byName(String payload) {
		}

		@QueueListener(queue = "by-expression", id = "by-expression", retryPolicy = "#{@hasty}")
		void byExpression(String payload) {
			throw new IllegalStateException("failed");
		}

		@QueueListener(queue = "silent-policy", id = "silent")
		void silent(String payload) {
		}

	}

	static class ErrorHandlers {

		@QueueListener(queue = "handler-by-name", errorHandler = "${handler}")
		@QueueListener(queue = "handler-by-expression", errorHandler = "#{@forgiving}")
		@QueueListener("handler-of-all")
		void on(String payload) {
			throw new IllegalStateException("failed");
		}

	}

	static class Converters {

		@QueueListener(queue = "converted", messageConverter = "upsideDown")
		@QueueListener(queue = "converted-by-expression", messageConverter = "#{@plain}")
		@QueueListener("not-converted")
		void on(String payload) {
			received.add(payload);
		}

	}

	static class Factories {

		@QueueListener(queue = "made", id = "made", containerFactory = "${factory}", concurrency = "5")
		@QueueListener(queue = "made-by-expression", id = "made-by-expression", containerFactory = "#{@${factory}}",
				batchSize = "9")
		void on(String payload) {
		}

	}

	static class Repeated {

		@QueueListener(queue = "repeated-1", concurrency = "3")
		@QueueListener(queue = "repeated-2", id = "repeated-with-id")
		void on(String payload) {
			received.add(payload);
		}

	}

	static class Once {

		@QueueListener("once")
		void on(String payload) {
		}

	}

	static class Again extends Once {

		@Override
		@QueueListener("again")
		void on(String payload) {
		}

	}

	static class Overloaded {

		@QueueListener("texts")
		void on(String payload) {
		}

		@QueueListener("numbers")
		void on(Integer payload, @Header("pgqueue_attempt") int attempt) {
			received.add(payload);
		}

		@QueueListener("others")
		void other(String payload) {
		}

		void other(Integer payload) {
		}

	}

	@Transactional(propagation = Propagation.SUPPORTS)
	static class BehindInterface implements Numbered {

		@Override
		@QueueListener("behind-interface")
		public void on(Integer number, @Header("tenant") String tenant) {
			received.add(number + " of " + tenant);
		}

	}

	@Configuration
	@EnableTransactionManagement
	static class InterfaceProxies {

		@Bean
		JdbcTransactionManager transactionManager() {
			return new JdbcTransactionManager(new DriverManagerDataSource("jdbc:none"));
		}

	}

	private static final class UpsideDown implements MessageConverter {

		@Override
		public Object fromMessage(Message<?> message, Class<?> targetClass) {
			String json = (String) message.getPayload();
			if (json.contains("refuse")) {
				throw new UnsupportedOperationException("this is " + json);
			}
			return "upside down: " + new StringBuilder(json).reverse();
		}

		@Override
		public Message<?> toMessage(Object payload, MessageHeaders headers) {
			return null;
		}

	}

	@Configuration
	static class Beans {

		@Bean
		RetryPolicy patient() {
			return new RetryPolicy(77, Duration.ZERO, 1, Duration.ZERO, 0);
		}

		@Bean
		RetryPolicy hasty() {
			return new RetryPolicy(3, Duration.ZERO, 1, Duration.ZERO, 0);
		}

		@Bean
		QueueErrorHandler forgiving() {
			return (message, failure, verdict) -> new Verdict.Complete();
		}

		@Bean
		MessageConverter plain() {
			return new StringMessageConverter();
		}

		@Bean
		MessageConverter upsideDown() {
			return new UpsideDown();
		}

		@Bean
		QueueListenerDefaults slow() {
			return (queue, options) -> options.concurrency(4).batchSize(8);
		}

	}

}
