package io.pgqueue.autoconfigure;

import java.time.Clock;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadFactory;

import javax.sql.DataSource;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.pgqueue.autoconfigure.health.PgQueueHealthAutoConfiguration;
import io.pgqueue.autoconfigure.metrics.PgQueueMetricsAutoConfiguration;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.flywaydb.core.Flyway;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.task.TaskExecutionAutoConfiguration;
import org.springframework.boot.autoconfigure.task.TaskSchedulingAutoConfiguration;
import org.springframework.boot.flyway.autoconfigure.FlywayAutoConfiguration;
import org.springframework.boot.flyway.autoconfigure.FlywayMigrationInitializer;
import org.springframework.boot.jackson.autoconfigure.JacksonAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.convert.ConversionService;
import org.springframework.core.retry.RetryOperations;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.core.namedparam.NamedParameterJdbcOperations;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.messaging.converter.MessageConverter;
import org.springframework.messaging.handler.annotation.support.MessageHandlerMethodFactory;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.annotation.EnableScheduling;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * A bean of a general type makes Boot's own one back off, or an injection point of the
 * application ambiguous.
 */
@PgQueueDatabase
class GeneralTypesIntegrationTests {

	private final ApplicationContextRunner without;

	private final ApplicationContextRunner with;

	GeneralTypesIntegrationTests(TestDatabase database) {
		this.without = Applications.withoutQueues(database)
			.withConfiguration(AutoConfigurations.of(JacksonAutoConfiguration.class, FlywayAutoConfiguration.class,
					TaskExecutionAutoConfiguration.class, TaskSchedulingAutoConfiguration.class))
			.withBean(SimpleMeterRegistry.class)
			.withUserConfiguration(Scheduling.class);
		this.with = this.without.withConfiguration(AutoConfigurations.of(PgQueueAutoConfiguration.class,
				PgQueueHealthAutoConfiguration.class, PgQueueMetricsAutoConfiguration.class));
	}

	@Test
	void noneOfThemIsPublished() {
		Class<?>[] types = { Executor.class, ScheduledExecutorService.class, ThreadFactory.class, TaskScheduler.class,
				TransactionTemplate.class, PlatformTransactionManager.class, DataSource.class, JdbcTemplate.class,
				NamedParameterJdbcOperations.class, JdbcClient.class, JsonMapper.class, Flyway.class,
				FlywayMigrationInitializer.class, Clock.class, MessageConverter.class,
				MessageHandlerMethodFactory.class, ConversionService.class, RetryOperations.class };
		this.without.run((plain) -> this.with.run((queues) -> {
			for (Class<?> type : types) {
				assertThat(queues.getBeanNamesForType(type)).as(type.getName())
					.containsExactly(plain.getBeanNamesForType(type));
			}
		}));
	}

	@Test
	void bootsOwnAreStillThere() {
		this.with.run((context) -> assertThat(context).hasNotFailed()
			.hasBean("applicationTaskExecutor")
			.hasBean("taskScheduler")
			.hasBean("transactionTemplate")
			.hasBean("jdbcTemplate")
			.hasBean("jdbcClient")
			.hasBean("jacksonJsonMapper")
			.hasBean("flyway")
			.hasBean("flywayInitializer"));
	}

	@Test
	void everyBeanThatIsAddedIsOfAnOwnClassAndNoneIsRemoved() {
		this.without.run((plain) -> this.with.run((queues) -> {
			Map<String, Class<?>> before = Applications.beanTypes(plain);
			Map<String, Class<?>> after = Applications.beanTypes(queues);
			assertThat(after).containsKeys(before.keySet().toArray(String[]::new));
			after.keySet().removeAll(before.keySet());
			assertThat(after).isNotEmpty();
			assertThat(after.values()).allSatisfy((type) -> assertThat(type.getName()).startsWith("io.pgqueue."));
		}));
	}

	@Configuration(proxyBeanMethods = false)
	@EnableScheduling
	static class Scheduling {

	}

}
