package io.pgqueue.annotation;

import java.util.Map;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

/**
 * What cannot work fails at start, with one exception that names the method.
 */
@PgQueueDatabase
class InvalidListenersIntegrationTests {

	private final TestDatabase database;

	InvalidListenersIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "two words", "${missing}", "#{1 / 0}", "#{unbalanced", "#{@missing}", "#{null}" })
	void aQueueNameThatCannotBe(String value) {
		assertThat(failure(value, BadQueue.class)).contains("BadQueue.on");
	}

	@ParameterizedTest
	@ValueSource(strings = { "many", "0", "-1", "10001", "1.5", "99999999999", "${missing}", "#{'x'}" })
	void aConcurrencyThatCannotBe(String value) {
		assertThat(failure(value, BadConcurrency.class)).contains("BadConcurrency.on", "concurrency");
	}

	@ParameterizedTest
	@ValueSource(strings = { "many", "0", "10001" })
	void aBatchSizeThatCannotBe(String value) {
		assertThat(failure(value, BadBatchSize.class)).contains("BadBatchSize.on").containsPattern("batch-?[sS]ize");
	}

	@ParameterizedTest
	@ValueSource(strings = { "soon", "0s", "-1s", "PT0S", "1 fortnight", "99999999999999999999s" })
	void aPollIntervalThatCannotBe(String value) {
		assertThat(failure(value, BadPollInterval.class)).contains("BadPollInterval.on")
			.containsPattern("poll-?[iI]nterval");
	}

	@ParameterizedTest
	@ValueSource(strings = { "yes", "1", "truee" })
	void anAutoStartupThatCannotBe(String value) {
		assertThat(failure(value, BadAutoStartup.class)).contains("BadAutoStartup.on", "autoStartup", value,
				"true or false");
	}

	@Test
	void aMissingQueueName() {
		assertThat(failure("", WithoutQueue.class)).contains("WithoutQueue.on");
	}

	@Test
	void twoPayloads() {
		assertThat(failure("", TwoPayloads.class)).contains("TwoPayloads.on", "two parameters for the payload",
				"@Header");
	}

	@Test
	void oneIdForTwoListeners() {
		assertThat(failure("", SameIds.class)).contains("'same'").containsPattern("SameIds\\.(one|two)");
	}

	@Test
	void aPrivateMethodBehindAProxyOfTheInterface() {
		assertThat(failure("", InterfaceProxies.class, PrivateMethod.class)).contains("PrivateMethod.on");
	}

	@Test
	void aMethodThatIsNotInTheInterfaceOfAProxy() {
		assertThat(failure("", InterfaceProxies.class, NotInTheInterface.class)).contains("NotInTheInterface.on");
	}

	@Test
	void aPrivateMethodBehindAProxyOfTheClass() {
		assertThat(failure("", ClassProxies.class, PrivateMethod.class)).contains("PrivateMethod.on");
	}

	private String failure(String value, Class<?>... components) {
		try (ListenerContext context = ListenerContext.on(this.database).properties(Map.of("value", value))) {
			Throwable failure = catchThrowableOfType(Throwable.class, () -> context.start(components));
			while (failure != null && !(failure instanceof InvalidConfigurationException)) {
				failure = failure.getCause();
			}
			assertThat(failure).as("cause of the failed start").isNotNull();
			assertThat(failure.getMessage()).hasSizeLessThan(700);
			return failure.getMessage();
		}
	}

	interface Listening {

		default void something() {
		}

	}

	static class BadQueue {

		@QueueListener("${value}")
		void on(String payload) {
		}

	}

	static class BadConcurrency {

		@QueueListener(queue = "orders", id = "other-id", concurrency = "${value}")
		void on(String payload) {
		}

	}

	static class BadBatchSize {

		@QueueListener(queue = "orders", id = "other-id", batchSize = "${value}")
		void on(String payload) {
		}

	}

	static class BadPollInterval {

		@QueueListener(queue = "orders", id = "other-id", pollInterval = "${value}")
		void on(String payload) {
		}

	}

	static class BadAutoStartup {

		@QueueListener(queue = "orders", id = "other-id", autoStartup = "${value}")
		void on(String payload) {
		}

	}

	static class WithoutQueue {

		@QueueListener
		void on(String payload) {
		}

	}

	static class TwoPayloads {

		@QueueListener("orders")
		void on(String payload, Integer other) {
		}

	}

	static class SameIds {

		@QueueListener(queue = "orders", id = "same")
		void one(String payload) {
		}

		@QueueListener(queue = "orders", id = "same")
		void two(String payload) {
		}

	}

	@Transactional
	static class PrivateMethod implements Listening {

		@QueueListener("orders")
		private void on(String payload) {
		}

	}

	@Transactional
	static class NotInTheInterface implements Listening {

		@QueueListener("orders")
		void on(String payload) {
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

	@Configuration
	@EnableTransactionManagement(proxyTargetClass = true)
	static class ClassProxies {

		@Bean
		JdbcTransactionManager transactionManager() {
			return new JdbcTransactionManager(new DriverManagerDataSource("jdbc:none"));
		}

	}

}
