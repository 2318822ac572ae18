package io.pgqueue.annotation;

import java.util.List;
import java.util.Map;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.validation.annotation.Validated;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

/**
 * Handler methods and beans that cannot work fail at start, with one exception that names
 * the class.
 */
@PgQueueDatabase
class InvalidHandlersIntegrationTests {

	private final TestDatabase database;

	InvalidHandlersIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@Test
	void aClassWithoutHandlerMethods() {
		assertThat(failure(WithoutHandlers.class)).contains("WithoutHandlers", "no @QueueHandler methods");
	}

	@Test
	void handlerMethodsOfAClassThatDoesNotListen() {
		assertThat(failure(WithoutListener.class)).contains("WithoutListener", "no @QueueListener");
	}

	@Test
	void twoHandlersForOneType() {
		assertThat(failure(SameType.class)).contains("@QueueListener SameType:", "for the type 'a'", "'one'", "'two'");
	}

	@Test
	void twoDefaults() {
		assertThat(failure(TwoDefaults.class)).contains("@QueueListener TwoDefaults:", "the default", "'one'", "'two'");
	}

	@Test
	void oneOfSeveralHandlersWithoutAType() {
		assertThat(failure(WithoutType.class)).contains("@QueueListener WithoutType:", "'two' names no type",
				"isDefault");
	}

	@Test
	void anEmptyType() {
		assertThat(failure(EmptyType.class)).contains("@QueueListener EmptyType:", "'one' names an empty type");
	}

	@Test
	void aHandlerForAList() {
		assertThat(failure(TakesList.class)).contains("@QueueListener TakesList:", "'one' takes a list");
	}

	@Test
	void aHandlerForTwoPayloads() {
		assertThat(failure(TwoPayloads.class)).contains("@QueueListener TwoPayloads:",
				"two parameters for the payload");
	}

	@Test
	void theSameQueueTwiceOnOneMethod() {
		assertThat(failure(SameQueueTwice.class)).contains("@QueueListener SameQueueTwice.on[orders]:", "another id");
	}

	@Test
	void aPayloadToBeValidatedWithoutAValidator() {
		assertThat(failure(WithoutValidator.class)).contains("@QueueListener WithoutValidator.on:",
				"spring-boot-starter-validation");
	}

	@ParameterizedTest
	@CsvSource({ "retryPolicy, io.pgqueue.RetryPolicy", "errorHandler, io.pgqueue.QueueErrorHandler",
			"messageConverter, org.springframework.messaging.converter.MessageConverter",
			"containerFactory, io.pgqueue.annotation.QueueListenerDefaults" })
	void anAttributeThatNamesNoBeanOfItsType(String attribute, String type) {
		for (String name : List.of("missing", "invalidHandlersIntegrationTests.WithBeans")) {
			assertThat(failure(Map.of(attribute, name), WithBeans.class)).contains("@QueueListener WithBeans.on:",
					attribute + " is '", name, type);
		}
	}

	private String failure(Class<?>... components) {
		return failure(Map.of(), components);
	}

	private String failure(Map<String, Object> properties, Class<?>... components) {
		try (ListenerContext context = ListenerContext.on(this.database).properties(properties)) {
			Throwable failure = catchThrowableOfType(Throwable.class, () -> context.start(components));
			while (failure != null && !(failure instanceof InvalidConfigurationException)) {
				failure = failure.getCause();
			}
			assertThat(failure).as("cause of the failed start").isNotNull();
			assertThat(failure.getMessage()).hasSizeLessThan(700);
			return failure.getMessage();
		}
	}

	@QueueListener("orders")
	static class WithoutHandlers {

		void on(String payload) {
		}

	}

	static class WithoutListener {

		@QueueHandler
		void on(String payload) {
		}

	}

	@QueueListener("orders")
	static class SameType {

		@QueueHandler("a")
		void one(String payload) {
		}

		@QueueHandler({ "b", "a" })
		void two(String payload) {
		}

	}

	@QueueListener("orders")
	static class TwoDefaults {

		@QueueHandler(isDefault = true)
		void one(String payload) {
		}

		@QueueHandler(isDefault = true)
		void two(String payload) {
		}

	}

	@QueueListener("orders")
	static class WithoutType {

		@QueueHandler("a")
		void one(String payload) {
		}

		@QueueHandler
		void two(String payload) {
		}

	}

	@QueueListener("orders")
	static class EmptyType {

		@QueueHandler(" ")
		void one(String payload) {
		}

	}

	@QueueListener("orders")
	static class TakesList {

		@QueueHandler("a")
		void one(List<String> payload) {
		}

	}

	@QueueListener("orders")
	static class TwoPayloads {

		@QueueHandler("a")
		void one(String payload, Integer another) {
		}

	}

	static class SameQueueTwice {

		@QueueListener("orders")
		@QueueListener("orders")
		void on(String payload) {
		}

	}

	static class WithoutValidator {

		@QueueListener("orders")
		void on(@Validated String payload) {
		}

	}

	static class WithBeans {

		@QueueListener(queue = "orders", retryPolicy = "${retryPolicy:}", errorHandler = "${errorHandler:}",
				messageConverter = "${messageConverter:}", containerFactory = "${containerFactory:}")
		void on(String payload) {
		}

	}

}
