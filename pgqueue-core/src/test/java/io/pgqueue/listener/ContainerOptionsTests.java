package io.pgqueue.listener;

import java.time.Duration;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

import io.pgqueue.AckMode;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueErrorHandler;
import io.pgqueue.RetryPolicy;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class ContainerOptionsTests {

	@Test
	void theDefaultsAreThoseOfTheDocumentation() {
		ContainerOptions options = ContainerOptions.builder("id", "queue").build();
		assertThat(options).isEqualTo(new ContainerOptions("id", "queue", 1, 500, Duration.ofSeconds(1),
				RetryPolicy.DEFAULT, null, true, false, Duration.ofSeconds(20), AckMode.AUTO, Duration.ofMinutes(5),
				null, ExpiredMessages.DISCARD));
	}

	@Test
	void theBuilderSetsEveryOption() {
		RetryPolicy policy = new RetryPolicy(2, Duration.ZERO, 1, Duration.ZERO, 0);
		QueueErrorHandler errorHandler = (message, failure, verdict) -> verdict;
		ContainerOptions options = ContainerOptions.builder("id", "queue")
			.concurrency(3)
			.batchSize(4)
			.pollInterval(Duration.ofSeconds(5))
			.retryPolicy(policy)
			.errorHandler(errorHandler)
			.autoStartup(false)
			.virtualThreads(true)
			.shutdownTimeout(Duration.ofSeconds(6))
			.ackMode(AckMode.ON_RECEIVE)
			.timeout(Duration.ofSeconds(7))
			.expired(ExpiredMessages.DEAD_LETTER)
			.build();
		assertThat(options).isEqualTo(new ContainerOptions("id", "queue", 3, 4, Duration.ofSeconds(5), policy,
				errorHandler, false, true, Duration.ofSeconds(6), AckMode.ON_RECEIVE, Duration.ofSeconds(7), null,
				ExpiredMessages.DEAD_LETTER));
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("outOfRange")
	void valuesOutOfRangeAreRefusedWithListenerNameAndValue(String name, String value,
			UnaryOperator<ContainerOptions.Builder> setter) {
		ContainerOptions.Builder builder = setter.apply(ContainerOptions.builder("orders-listener", "orders"));
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(builder::build)
			.withMessageContaining("'orders-listener'")
			.withMessageContaining(name + " is " + value);
	}

	static Stream<Arguments> outOfRange() {
		return Stream.of(refused("concurrency", "0", (options) -> options.concurrency(0)),
				refused("concurrency", "10001", (options) -> options.concurrency(10_001)),
				refused("batch-size", "0", (options) -> options.batchSize(0)),
				refused("batch-size", "10001", (options) -> options.batchSize(10_001)),
				refused("poll-interval", "PT0S", (options) -> options.pollInterval(Duration.ZERO)),
				refused("poll-interval", "PT-1S", (options) -> options.pollInterval(Duration.ofSeconds(-1))),
				refused("timeout", "PT0S", (options) -> options.timeout(Duration.ZERO)),
				refused("shutdown-timeout", "PT-0.001S", (options) -> options.shutdownTimeout(Duration.ofMillis(-1))));
	}

	@Test
	void theLimitsThemselvesAreAllowed() {
		ContainerOptions.Builder builder = ContainerOptions.builder("id", "queue");
		assertThat(builder.concurrency(1).batchSize(1).pollInterval(Duration.ofMillis(1)).build()).isNotNull();
		assertThat(builder.concurrency(10_000).batchSize(10_000).shutdownTimeout(Duration.ZERO).build()).isNotNull();
	}

	@Test
	void anInvalidQueueNameIsRefused() {
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> ContainerOptions.builder("id", "two words").build())
			.withMessageContaining("'two words'");
	}

	private static Arguments refused(String name, String value, UnaryOperator<ContainerOptions.Builder> setter) {
		return Arguments.of(name, value, setter);
	}

}
