package io.pgqueue.autoconfigure;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Set;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueErrorHandler;
import io.pgqueue.QueueOperations;
import io.pgqueue.RetryPolicy;
import io.pgqueue.Verdict;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What happens after a failure, by properties and beans.
 */
@PgQueueDatabase
class RetryPropertiesIntegrationTests {

	private static final String QUEUE = "pgqueue.queues.inbox.retry.";

	private final ApplicationContextRunner application;

	RetryPropertiesIntegrationTests(TestDatabase database) {
		this.application = Applications.quickRunner(database);
	}

	@Test
	void typesOfExceptionsArePassedToTheListener() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.retry.fatal=java.io.IOException,java.lang.IllegalStateException",
					"pgqueue.retry.retryable[0]=" + Own.class.getName())
			.run((context) -> assertThat(options(context, "inbox").retryPolicy())
				.isEqualTo(RetryPolicy.DEFAULT.withFatal(IOException.class, IllegalStateException.class)
					.withRetryable(Own.class)));
	}

	@Test
	void everySettingOfAQueueIsPassedToItsListeners() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues(QUEUE + "max-attempts=9", QUEUE + "initial=3s", QUEUE + "multiplier=1.5",
					QUEUE + "max=7m", QUEUE + "jitter=0.5", QUEUE + "retryable=java.io.IOException,java.lang.Error",
					QUEUE + "fatal[0]=" + Own.class.getName(), "pgqueue.queues.other.retry.max-attempts=11")
			.run((context) -> assertThat(options(context, "inbox").retryPolicy())
				.isEqualTo(new RetryPolicy(9, Duration.ofSeconds(3), 1.5, Duration.ofMinutes(7), 0.5,
						Set.of(IOException.class, Error.class), Set.of(Own.class))));
	}

	@Test
	void whatAQueueDoesNotSayIsThatOfAllQueuesAndTheAnnotationBeatsBoth() {
		this.application.withUserConfiguration(Inbox.class, Annotated.class)
			.withBean("own", RetryPolicy.class, () -> RetryPolicy.DEFAULT.withFatal(Own.class))
			.withPropertyValues("pgqueue.retry.max-attempts=2", "pgqueue.retry.initial=3s",
					"pgqueue.retry.multiplier=4", "pgqueue.retry.max=5h", "pgqueue.retry.jitter=0.6",
					"pgqueue.retry.fatal=java.io.IOException", QUEUE + "max-attempts=7",
					"pgqueue.queues.annotated.retry.max-attempts=8")
			.run((context) -> {
				assertThat(options(context, "inbox").retryPolicy()).isEqualTo(new RetryPolicy(7, Duration.ofSeconds(3),
						4, Duration.ofHours(5), 0.6, Set.of(), Set.of(IOException.class)));
				assertThat(options(context, "annotated").retryPolicy())
					.isEqualTo(RetryPolicy.DEFAULT.withFatal(Own.class));
			});
	}

	@Test
	void aRetryPolicyThatIsABeanConcernsOnlyTheListenersThatNameIt() {
		this.application.withUserConfiguration(Inbox.class)
			.withBean("own", RetryPolicy.class, () -> RetryPolicy.DEFAULT.withFatal(Own.class))
			.run((context) -> assertThat(options(context, "inbox").retryPolicy()).isEqualTo(RetryPolicy.DEFAULT));
	}

	@Test
	void aFatalFailureIsADeadLetterAtTheFirstAttempt() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.queues.fatal.retry.fatal=java.lang.IllegalStateException", "inbox.queue=fatal")
			.run((context) -> {
				context.getBean(QueueOperations.class).send("fatal", "fail");
				assertThat(awaitDeadLetter(context, "fatal").attempts()).isEqualTo(1);
				assertThat(context.getBean(Inbox.class).received()).containsExactly("fail");
			});
	}

	@ParameterizedTest
	@CsvSource({ QUEUE + "max-attempts=0, max-attempts is 0", QUEUE + "initial=6m, max is PT5M",
			QUEUE + "fatal=java.lang.String, fatal is java.lang.String",
			"pgqueue.retry.retryable=java.lang.String, retryable is java.lang.String" })
	void aValueThatCannotWorkFailsTheStartWithASentence(String property, String sentence) {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues(property)
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining(sentence)
				.hasMessageContaining("must be"));
	}

	@Test
	void aTypeThatDoesNotExistFailsTheStartAndIsNamed() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.retry.fatal=com.example.Missing")
			.run((context) -> assertThat(context).getFailure().rootCause().hasMessageContaining("com.example.Missing"));
	}

	@Test
	void anUnknownSettingOfAQueueFailsTheStart() {
		this.application.withPropertyValues(QUEUE + "attempts=3")
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining(QUEUE + "attempts"));
	}

	@Test
	void theOnlyErrorHandlerServesAllListenersThatNameNoOther() {
		this.application.withUserConfiguration(Inbox.class)
			.withBean("forgiving", QueueErrorHandler.class, () -> (message, failure, verdict) -> new Verdict.Complete())
			.withPropertyValues("pgqueue.retry.max-attempts=1", "inbox.queue=forgiven")
			.run((context) -> {
				context.getBean(QueueOperations.class).send("forgiven", "fail");
				context.getBean(QueueOperations.class).send("forgiven", "next");
				Inbox inbox = context.getBean(Inbox.class);
				Await.until("both have arrived", () -> inbox.received().equals(List.of("fail", "next")));
				assertThat(context.getBean(QueueAdmin.class).deadLetters("forgiven", 1)).isEmpty();
			});
	}

	@Test
	void ofSeveralErrorHandlersNoneServesAllListeners() {
		QueueErrorHandler forgiving = (message, failure, verdict) -> new Verdict.Complete();
		this.application.withUserConfiguration(Inbox.class)
			.withBean("one", QueueErrorHandler.class, () -> forgiving)
			.withBean("two", QueueErrorHandler.class, () -> forgiving)
			.run((context) -> assertThat(options(context, "inbox").errorHandler()).isNull());
	}

	private static ContainerOptions options(ApplicationContext context, String id) {
		return context.getBean(QueueListenerRegistry.class).container(id).options();
	}

	private static DeadLetter awaitDeadLetter(ApplicationContext context, String queue) {
		QueueAdmin admin = context.getBean(QueueAdmin.class);
		Await.until("it was given up", () -> admin.deadLetters(queue, 9).size() == 1);
		return admin.deadLetters(queue, 9).get(0);
	}

	/**
	 * A type of the application.
	 */
	public static class Own extends RuntimeException {

	}

	static class Annotated {

		@QueueListener(id = "annotated", queue = "annotated", retryPolicy = "own")
		void on(String text) {
		}

	}

}
