package io.pgqueue.autoconfigure;

import io.pgqueue.annotation.QueueListener;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Configuration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatException;

/**
 * What somebody sees whose application does not start.
 */
@PgQueueDatabase
@ExtendWith(OutputCaptureExtension.class)
class FailedStartIntegrationTests {

	private final TestDatabase database;

	FailedStartIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void aPropertyThatCannotWorkIsShownWithoutAStackTrace(CapturedOutput output) {
		assertExplained(output, Application.class, "lease.timeout is PT0S, but must be at least PT1S",
				"pgqueue.lease.timeout=0s");
	}

	@Test
	void aListenerThatCannotWorkIsShownWithoutAStackTrace(CapturedOutput output) {
		assertExplained(output, Hasty.class, "concurrency is 0, but must be from 1 to 10000");
	}

	@Test
	void aSchemaThatMayNotBeCreatedIsShownWithoutAStackTrace(CapturedOutput output) {
		TestUser user = this.database.createUser();
		assertExplained(output, Application.class, "grant CREATE on the database", "pgqueue.schema=not-allowed",
				"spring.datasource.username=" + user.name(), "spring.datasource.password=" + user.password());
	}

	private void assertExplained(CapturedOutput output, Class<?> application, String description,
			String... properties) {
		assertThatException().isThrownBy(() -> Applications.start(this.database, application, properties).close());
		assertThat(output).contains("APPLICATION FAILED TO START", description, "Action:")
			.doesNotContain("\tat io.pgqueue.");
	}

	@Configuration(proxyBeanMethods = false)
	@ImportAutoConfiguration({ DataSourceAutoConfiguration.class, DataSourceTransactionManagerAutoConfiguration.class,
			PgQueueAutoConfiguration.class })
	static class Application {

	}

	@Configuration(proxyBeanMethods = false)
	@ImportAutoConfiguration({ DataSourceAutoConfiguration.class, DataSourceTransactionManagerAutoConfiguration.class,
			PgQueueAutoConfiguration.class })
	static class Hasty {

		@QueueListener(queue = "hasty", concurrency = "0")
		void on(String text) {
			throw new IllegalStateException("Never called: " + text);
		}

	}

}
