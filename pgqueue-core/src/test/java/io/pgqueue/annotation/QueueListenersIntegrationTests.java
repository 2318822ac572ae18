package io.pgqueue.annotation;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueHeaders;
import io.pgqueue.QueueMessage;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.aop.support.AopUtils;
import org.springframework.beans.factory.BeanCreationException;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;
import org.springframework.context.annotation.Scope;
import org.springframework.core.annotation.AliasFor;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class QueueListenersIntegrationTests {

	private static final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

	private static TestDatabase sharedDatabase;

	private final ListenerContext context;

	QueueListenersIntegrationTests(TestDatabase database) {
		this.context = ListenerContext.on(database);
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		sharedDatabase = database;
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
	void aMethodHandlesTheMessagesOfItsQueue() {
		this.context.start(Plain.class);
		this.context.send("plain", Map.of("a", 1));
		assertThat(received()).isEqualTo(Map.of("a", 1L));
		assertThat(this.context.container("queueListenersIntegrationTests.Plain.on").options()).satisfies((options) -> {
			assertThat(options.queue()).isEqualTo("plain");
			assertThat(options.concurrency()).isEqualTo(1);
		});
	}

	@Test
	void aBatchMethodGetsAllThatIsThere() {
		this.context.application().registry().declare("batches");
		this.context.application().queues().sendAll("batches", List.of("1", "2", "3"));
		this.context.start(Batches.class);
		assertThat(received()).isEqualTo(List.of("1 at attempt 1", "2 at attempt 1", "3 at attempt 1"));
	}

	@Test
	void everyAttributeMayHavePlaceholdersAndExpressions() {
		this.context
			.properties(Map.of("queue", "from-properties", "id", "my-id", "concurrency", "3", "poll", "PT0.25S", "auto",
					"false"))
			.start(Placeholders.class, Names.class);
		assertThat(this.context.container("my-id!").options()).satisfies((options) -> {
			assertThat(options.queue()).isEqualTo("from-properties");
			assertThat(options.concurrency()).isEqualTo(3);
			assertThat(options.batchSize()).isEqualTo(10);
			assertThat(options.pollInterval()).isEqualTo(Duration.ofMillis(250));
			assertThat(options.autoStartup()).isFalse();
		});
		assertThat(this.context.container("my-id!").isRunning()).isFalse();
		this.context.send("from-a-bean", "x");
		assertThat(received()).isEqualTo("x");
		assertThat(this.context.container("7").options()).satisfies((options) -> {
			assertThat(options.queue()).isEqualTo("from-a-bean");
			assertThat(options.concurrency()).isEqualTo(4);
			assertThat(options.batchSize()).isEqualTo(20);
			assertThat(options.pollInterval()).isEqualTo(Duration.ofMillis(40));
			assertThat(options.autoStartup()).isTrue();
		});
	}

	@Test
	void defaultsApplyWhereAttributesAreSilent() {
		this.context
			.defaults((queue, options) -> options.concurrency(queue.length())
				.batchSize(33)
				.pollInterval(Duration.ofMillis(44))
				.autoStartup(false))
			.start(Silent.class);
		assertThat(this.context.container("silent").options()).satisfies((options) -> {
			assertThat(options.concurrency()).isEqualTo("silent".length());
			assertThat(options.batchSize()).isEqualTo(33);
			assertThat(options.pollInterval()).isEqualTo(Duration.ofMillis(44));
			assertThat(options.autoStartup()).isFalse();
		});
		assertThat(this.context.container("loud").options()).satisfies((options) -> {
			assertThat(options.concurrency()).isEqualTo(2);
			assertThat(options.batchSize()).isEqualTo(ContainerOptions.DEFAULT_BATCH_SIZE);
			assertThat(options.autoStartup()).isTrue();
		});
	}

	@Test
	void aComposedAnnotationPassesItsAttributesOn() {
		this.context.start(Composed.class);
		assertThat(this.context.container("composed").options().concurrency()).isEqualTo(5);
		this.context.send("composed-queue", "x");
		assertThat(received()).isEqualTo("x");
	}

	@Test
	void aMethodThatOverridesAListenerMethodListens() {
		this.context.start(Overriding.class);
		this.context.send("overridden", "x");
		assertThat(received()).isEqualTo("overriding x");
		assertThat(this.context.application().registry().containers()).hasSize(1);
	}

	@Test
	void aMethodOfAnInterfaceMakesItsImplementationsListen() {
		this.context.start(Implementing.class);
		this.context.send("interface", "x");
		assertThat(received()).isEqualTo("implementing x");
	}

	@Test
	void aTransactionalBeanBehindAProxyOfItsClassHandlesInItsTransaction() {
		this.context.start(ClassProxies.class, TransactionalClass.class);
		assertThat(AopUtils.isCglibProxy(this.context.bean(TransactionalClass.class))).isTrue();
		this.context.send("transactional-class", "x");
		assertThat(received()).isEqualTo("x in a transaction: true");
	}

	@Test
	void aTransactionalBeanBehindAProxyOfItsInterfaceHandlesInItsTransaction() {
		this.context.start(InterfaceProxies.class, TransactionalImplementation.class);
		assertThat(AopUtils.isJdkDynamicProxy(this.context.bean(Listening.class))).isTrue();
		this.context.send("transactional-interface", "x");
		assertThat(received()).isEqualTo("x acme in a transaction: true");
	}

	@Test
	void aLazyBeanListensFromItsCreation() {
		this.context.start(LazyListener.class);
		assertThat(this.context.application().registry().containers()).isEmpty();
		this.context.bean(LazyListener.class);
		this.context.send("lazy", "x");
		assertThat(received()).isEqualTo("x");
	}

	@Test
	void thePrototypeThatIsMadeFirstListensAndAnotherOneIsRefused() {
		this.context.start(Prototype.class);
		assertThat(this.context.application().registry().containers()).isEmpty();
		this.context.bean(Prototype.class);
		this.context.send("prototype", "x");
		assertThat(received()).isEqualTo("x");
		assertThatExceptionOfType(BeanCreationException.class).isThrownBy(() -> this.context.bean(Prototype.class))
			.havingRootCause()
			.isInstanceOf(InvalidConfigurationException.class)
			.withMessageContaining("Prototype.on");
	}

	@Test
	void listenersStartLateAndStopEarlyWithTheContext() {
		this.context.start(Plain.class);
		QueueListenerRegistry registry = this.context.application().registry();
		assertThat(registry.isRunning()).isTrue();
		assertThat(registry.isAutoStartup()).isTrue();
		assertThat(registry.getPhase()).isEqualTo(Integer.MAX_VALUE - 100);
		this.context.close();
		assertThat(registry.isRunning()).isFalse();
		assertThat(registry.containers()).noneMatch((container) -> container.isRunning());
	}

	private Object received() {
		Await.until("a message was received", () -> !received.isEmpty());
		return received.poll();
	}

	private static boolean inTransaction() {
		return TransactionSynchronizationManager.isActualTransactionActive();
	}

	@Target(ElementType.METHOD)
	@Retention(RetentionPolicy.RUNTIME)
	@QueueListener(queue = "composed-queue", concurrency = "5")
	@interface ComposedListener {

		@AliasFor(annotation = QueueListener.class, attribute = "id")
		String name();

	}

	interface Listening {

		void on(String payload, @Header(name = "tenant", defaultValue = "acme") String tenant);

	}

	interface ListeningInterface {

		@QueueListener("interface")
		void on(String payload);

	}

	static class Plain {

		@QueueListener("plain")
		void on(Map<String, Long> payload) {
			received.add(payload);
		}

	}

	static class Batches {

		@QueueListener(queue = "batches", batchSize = "10")
		void on(List<QueueMessage<String>> messages) {
			received.add(messages.stream().map((one) -> one.payload() + " at attempt " + one.attempt()).toList());
		}

	}

	static class Placeholders {

		@QueueListener(queue = "${queue}", id = "${id}#{'!'}", concurrency = "${concurrency}", batchSize = "#{2 * 5}",
				pollInterval = "${poll}", autoStartup = "${auto}")
		void properties(String payload) {
		}

		@QueueListener(value = "#{@names.queue}", id = "#{3 + 4}", concurrency = "#{${concurrency} + 1}",
				batchSize = "${absent:20}", pollInterval = "#{20 + 20}ms", autoStartup = "#{!${auto}}")
		void expressions(String payload) {
			received.add(payload);
		}

	}

	static class Silent {

		@QueueListener(queue = "silent", id = "silent")
		void silent(String payload) {
		}

		@QueueListener(queue = "loud", id = "loud", concurrency = "2", batchSize = "500", autoStartup = "true")
		void loud(String payload) {
		}

	}

	static class Composed {

		@ComposedListener(name = "composed")
		void on(String payload) {
			received.add(payload);
		}

	}

	static class Overridden {

		@QueueListener("overridden")
		void on(String payload) {
			received.add("overridden " + payload);
		}

	}

	static class Overriding extends Overridden {

		@Override
		void on(String payload) {
			received.add("overriding " + payload);
		}

	}

	static class Implementing implements ListeningInterface {

		@Override
		public void on(String payload) {
			received.add("implementing " + payload);
		}

	}

	static class TransactionalClass {

		@Transactional
		@QueueListener("transactional-class")
		void on(String payload) {
			received.add(payload + " in a transaction: " + inTransaction());
		}

	}

	static class TransactionalImplementation implements Listening {

		@Override
		@Transactional
		@QueueListener("transactional-interface")
		public void on(String payload, String tenant) {
			received.add(payload + " " + tenant + " in a transaction: " + inTransaction());
		}

	}

	@Lazy
	static class LazyListener {

		@QueueListener("lazy")
		void on(String payload, @Header(QueueHeaders.QUEUE) String queue) {
			received.add(payload);
		}

	}

	@Scope("prototype")
	static class Prototype {

		@QueueListener("prototype")
		void on(String payload) {
			received.add(payload);
		}

	}

	@Configuration
	static class Names {

		@Bean("names")
		Map<String, String> names() {
			return Map.of("queue", "from-a-bean");
		}

	}

	@Configuration
	@EnableTransactionManagement(proxyTargetClass = true)
	static class ClassProxies {

		@Bean
		PlatformTransactionManager transactionManager() {
			return new JdbcTransactionManager(sharedDatabase.dataSource());
		}

	}

	@Configuration
	@EnableTransactionManagement
	static class InterfaceProxies {

		@Bean
		PlatformTransactionManager transactionManager() {
			return new JdbcTransactionManager(sharedDatabase.dataSource());
		}

	}

}
