package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.pgqueue.Cancellation;
import io.pgqueue.Queue;
import io.pgqueue.QueueOperations;
import io.pgqueue.SendOptions;
import io.pgqueue.SendResult;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.autoconfigure.health.PgQueueHealthAutoConfiguration;
import io.pgqueue.autoconfigure.metrics.PgQueueMetricsAutoConfiguration;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.worker.QueueWorker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.ds.PGSimpleDataSource;

import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
@ExtendWith(OutputCaptureExtension.class)
class PgQueueAutoConfigurationIntegrationTests {

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	PgQueueAutoConfigurationIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.runner(database)
			.withConfiguration(
					AutoConfigurations.of(PgQueueHealthAutoConfiguration.class, PgQueueMetricsAutoConfiguration.class))
			.withBean(SimpleMeterRegistry.class);
	}

	@Test
	void publishesATemplateARegistryAndAnAdmin() {
		this.application.run((context) -> {
			assertThat(context).hasNotFailed();
			assertThat(context).getBeanNames(QueueOperations.class).containsExactly("queueTemplate");
			assertThat(context).getBeanNames(QueueTemplate.class).containsExactly("queueTemplate");
			assertThat(context).getBeanNames(QueueListenerRegistry.class).containsExactly("queueListenerRegistry");
			assertThat(context).getBeanNames(QueueAdmin.class).containsExactly("queueAdmin");
			assertThat(context).getBeanNames(HealthIndicator.class).containsExactly("pgqueueHealthIndicator");
		});
	}

	@Test
	void whatIsSentArrives() {
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			context.getBean(QueueOperations.class).send("inbox", "hello");
			Await.until("the message has arrived",
					() -> context.getBean(Inbox.class).received().equals(List.of("hello")));
		});
	}

	@Test
	void aBeanMaySendWhileItIsMadeToAQueueThatABeanOrAnEntryDeclares() {
		this.application.withBean(Queue.class, () -> new Queue("early-bean"))
			.withPropertyValues("pgqueue.queues.early-entry.concurrency=1")
			.withUserConfiguration(EarlySender.class)
			.run((context) -> assertThat(context).hasNotFailed());
	}

	@Test
	void aRunnerMaySendToAQueueThatAListenerDeclares() {
		try (ConfigurableApplicationContext context = Applications.start(this.database, RunnerApplication.class,
				"inbox.queue=runner")) {
			Await.until("the message has arrived",
					() -> context.getBean(Inbox.class).received().equals(List.of("from the runner")));
		}
	}

	@Test
	void theTemplateOfTheApplicationWins() {
		this.application.withUserConfiguration(OwnTemplate.class)
			.run((context) -> assertThat(context).getBeanNames(QueueOperations.class).containsExactly("own"));
	}

	@Test
	void anyQueueOperationsOfTheApplicationWin() {
		this.application.withUserConfiguration(OwnOperations.class).run((context) -> {
			assertThat(context).getBeanNames(QueueOperations.class).containsExactly("own");
			assertThat(context).doesNotHaveBean(QueueTemplate.class);
		});
	}

	@Test
	void theRegistryOfTheApplicationWins() {
		this.application.withUserConfiguration(OwnRegistry.class, Inbox.class).run((context) -> {
			assertThat(context).getBeanNames(QueueListenerRegistry.class).containsExactly("own");
			assertThat(context.getBean(QueueListenerRegistry.class).container("inbox")).isNotNull();
		});
	}

	@Test
	void theAdminOfTheApplicationWins() {
		this.application.withUserConfiguration(OwnAdmin.class)
			.run((context) -> assertThat(context).getBeanNames(QueueAdmin.class).containsExactly("own"));
	}

	@Test
	void publishesNothingAndTouchesNothingWhenDisabled() {
		this.application.withPropertyValues("pgqueue.enabled=false", "pgqueue.schema=never")
			.withUserConfiguration(Inbox.class)
			.run((context) -> {
				assertThat(context).hasNotFailed();
				assertThat(ownBeans(context)).containsExactly("inbox");
				assertThat(this.database.jdbc()
					.sql("SELECT to_regnamespace('never') IS NULL")
					.query(Boolean.class)
					.single()).isTrue();
			});
	}

	@Test
	void publishesNothingWithoutADataSource() {
		new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(PgQueueAutoConfiguration.class,
					PgQueueHealthAutoConfiguration.class, PgQueueMetricsAutoConfiguration.class))
			.withBean(SimpleMeterRegistry.class)
			.run((context) -> {
				assertThat(context).hasNotFailed();
				assertThat(ownBeans(context)).isEmpty();
			});
	}

	@Test
	void worksWithoutMicrometer() {
		this.application.withClassLoader(new FilteredClassLoader(MeterRegistry.class)).run((context) -> {
			assertThat(context).hasSingleBean(QueueTemplate.class).doesNotHaveBean("pgQueueMeters");
			assertThat(context).hasBean("pgqueueHealthIndicator");
		});
	}

	@ParameterizedTest
	@ValueSource(classes = { HealthIndicator.class, ConditionalOnEnabledHealthIndicator.class })
	void worksWithoutHealth(Class<?> missing) {
		this.application.withClassLoader(new FilteredClassLoader(missing))
			.run((context) -> assertThat(context).hasSingleBean(QueueTemplate.class)
				.doesNotHaveBean("pgqueueHealthIndicator"));
	}

	@Test
	void worksWithoutHikari() {
		this.application.withClassLoader(new FilteredClassLoader(HikariDataSource.class))
			.withUserConfiguration(Inbox.class)
			.withBean(PGSimpleDataSource.class, () -> {
				PGSimpleDataSource dataSource = new PGSimpleDataSource();
				dataSource.setUrl(this.database.jdbcUrl());
				dataSource.setUser(this.database.username());
				dataSource.setPassword(this.database.password());
				return dataSource;
			})
			.run((context) -> {
				context.getBean(QueueOperations.class).send("inbox", "hello");
				Await.until("the message has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
			});
	}

	@Test
	void worksWithoutBootsJacksonModule() {
		Applications.withoutJackson(this.database)
			.withClassLoader(new FilteredClassLoader("org.springframework.boot.jackson"))
			.withUserConfiguration(Inbox.class)
			.run((context) -> {
				context.getBean(QueueOperations.class).send("inbox", "hello");
				Await.until("the message has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
			});
	}

	@Test
	void createsNoBeanSoEarlyThatSpringWarns(CapturedOutput output) {
		this.application.withUserConfiguration(Inbox.class).run((context) -> assertThat(context).hasNotFailed());
		assertThat(output).doesNotContain("is not eligible for getting processed");
	}

	private static List<String> ownBeans(ApplicationContext context) {
		return Applications.beanTypes(context)
			.entrySet()
			.stream()
			.filter((bean) -> bean.getValue().getName().startsWith("io.pgqueue."))
			.map(Map.Entry::getKey)
			.toList();
	}

	static class EarlySender {

		EarlySender(QueueOperations queues) {
			queues.send("early-bean", "hello");
			queues.send("early-entry", "hello");
		}

	}

	@WholeApplication
	@Import(Inbox.class)
	static class RunnerApplication {

		@Bean
		ApplicationRunner runner(QueueOperations queues) {
			return (arguments) -> queues.send("runner", "from the runner");
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnTemplate {

		@Bean
		QueueTemplate own(DataSource dataSource) {
			return QueueTemplate.builder(dataSource).build();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnOperations {

		@Bean
		QueueOperations own() {
			return new Nowhere();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnRegistry {

		@Bean
		QueueListenerRegistry own(Infrastructure shared) {
			QueueWorker worker = new QueueWorker(shared.direct(), shared.schema(), "own", Duration.ofSeconds(30),
					Duration.ofSeconds(10), shared.wakeUps(), null);
			return new QueueListenerRegistry(shared.pooled(), shared.schema(), worker, shared.wakeUps(),
					shared.events(), 9);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class OwnAdmin {

		@Bean
		QueueAdmin own(DataSource dataSource) {
			return new QueueAdmin(dataSource, "pgqueue");
		}

	}

	static class Nowhere implements QueueOperations {

		@Override
		public SendResult send(String queue, Object payload) {
			return new SendResult(0, queue, false);
		}

		@Override
		public SendResult send(String queue, Object payload, Consumer<SendOptions> options) {
			return new SendResult(0, queue, false);
		}

		@Override
		public List<SendResult> sendAll(String queue, Iterable<?> payloads) {
			return List.of();
		}

		@Override
		public List<SendResult> sendAll(String queue, Iterable<?> payloads, Consumer<SendOptions> options) {
			return List.of();
		}

		@Override
		public Cancellation cancel(String queue, long id) {
			return Cancellation.UNKNOWN;
		}

	}

}
