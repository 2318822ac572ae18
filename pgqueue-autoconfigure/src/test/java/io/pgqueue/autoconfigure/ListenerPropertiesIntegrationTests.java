package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Stream;

import javax.sql.DataSource;

import io.pgqueue.AckMode;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueOperations;
import io.pgqueue.RetryPolicy;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.ExpiredMessages;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

import org.springframework.boot.test.context.runner.ApplicationContextRunner;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class ListenerPropertiesIntegrationTests {

	private final ApplicationContextRunner application;

	ListenerPropertiesIntegrationTests(TestDatabase database) {
		this.application = Applications.quickRunner(database);
	}

	@Test
	void withoutPropertiesTheDefaultsOfTheReadmeApply() {
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			ContainerOptions options = context.getBean(QueueListenerRegistry.class).container("inbox").options();
			assertThat(options).isEqualTo(new ContainerOptions("inbox", "inbox", 1, 500, Duration.ofSeconds(1),
					new RetryPolicy(5, Duration.ofSeconds(1), 2, Duration.ofMinutes(5), 0.2), null, true, false,
					Duration.ofSeconds(20), AckMode.AUTO, Duration.ofMinutes(5), null, ExpiredMessages.DISCARD));
		});
	}

	@ParameterizedTest
	@MethodSource("properties")
	void aPropertyIsPassedToTheListener(String property, Function<ContainerOptions, Object> option, Object value) {
		this.application.withUserConfiguration(Inbox.class).withPropertyValues(property).run((context) -> {
			assertThat(context).hasNotFailed();
			ContainerOptions options = context.getBean(QueueListenerRegistry.class).container("inbox").options();
			assertThat(option.apply(options)).isEqualTo(value);
		});
	}

	static Stream<Arguments> properties() {
		return Stream.of(option("pgqueue.listener.concurrency=3", ContainerOptions::concurrency, 3),
				option("pgqueue.listener.batch-size=7", ContainerOptions::batchSize, 7),
				option("pgqueue.listener.poll-interval=250ms", ContainerOptions::pollInterval, Duration.ofMillis(250)),
				option("pgqueue.listener.auto-startup=false", ContainerOptions::autoStartup, false),
				option("pgqueue.listener.timeout=9s", ContainerOptions::timeout, Duration.ofSeconds(9)),
				option("pgqueue.queues.inbox.timeout=8s", ContainerOptions::timeout, Duration.ofSeconds(8)),
				option("pgqueue.listener.shutdown-timeout=3s", ContainerOptions::shutdownTimeout,
						Duration.ofSeconds(3)),
				option("spring.threads.virtual.enabled=false", ContainerOptions::virtualThreads, false),
				option("pgqueue.retry.max-attempts=9", (options) -> options.retryPolicy().maxAttempts(), 9),
				option("pgqueue.retry.initial=3s", (options) -> options.retryPolicy().initial(), Duration.ofSeconds(3)),
				option("pgqueue.retry.multiplier=1.5", (options) -> options.retryPolicy().multiplier(), 1.5),
				option("pgqueue.retry.max=7m", (options) -> options.retryPolicy().max(), Duration.ofMinutes(7)),
				option("pgqueue.retry.jitter=0.5", (options) -> options.retryPolicy().jitter(), 0.5),
				option("pgqueue.queues.inbox.concurrency=4", ContainerOptions::concurrency, 4),
				option("pgqueue.queues.inbox.batch-size=8", ContainerOptions::batchSize, 8),
				option("pgqueue.queues.inbox.poll-interval=2s", ContainerOptions::pollInterval, Duration.ofSeconds(2)),
				option("pgqueue.listener.expired=dead-letter", ContainerOptions::expired, ExpiredMessages.DEAD_LETTER),
				option("pgqueue.queues.inbox.expired=dead-letter", ContainerOptions::expired,
						ExpiredMessages.DEAD_LETTER),
				option("pgqueue.queues.other.concurrency=4", ContainerOptions::concurrency, 1));
	}

	private static Arguments option(String property, Function<ContainerOptions, Object> option, Object value) {
		return Arguments.of(property, option, value);
	}

	@Test
	void settingsOfAQueueBeatThoseOfAllAndTheAnnotationBeatsBoth() {
		this.application.withUserConfiguration(Inbox.class, Annotated.class)
			.withPropertyValues("pgqueue.listener.concurrency=2", "pgqueue.listener.batch-size=20",
					"pgqueue.listener.poll-interval=2s", "pgqueue.listener.auto-startup=false",
					"pgqueue.queues.inbox.concurrency=3", "pgqueue.queues.annotated.concurrency=3",
					"pgqueue.queues.annotated.batch-size=30", "pgqueue.queues.annotated.poll-interval=3s",
					"annotated.concurrency=4")
			.run((context) -> {
				QueueListenerRegistry registry = context.getBean(QueueListenerRegistry.class);
				ContainerOptions inbox = registry.container("inbox").options();
				assertThat(inbox.concurrency()).isEqualTo(3);
				assertThat(inbox.batchSize()).isEqualTo(20);
				ContainerOptions annotated = registry.container("annotated").options();
				assertThat(annotated.concurrency()).isEqualTo(4);
				assertThat(annotated.batchSize()).isEqualTo(40);
				assertThat(annotated.pollInterval()).isEqualTo(Duration.ofSeconds(4));
				assertThat(annotated.autoStartup()).isTrue();
			});
	}

	@ParameterizedTest
	@CsvSource({ "pgqueue.listener.concurrency=0, concurrency is 0",
			"pgqueue.listener.concurrency=10001, concurrency is 10001",
			"pgqueue.listener.batch-size=0, batch-size is 0", "pgqueue.listener.batch-size=10001, batch-size is 10001",
			"pgqueue.listener.poll-interval=0s, poll-interval is PT0S",
			"pgqueue.listener.poll-interval=-1s, poll-interval is PT-1S",
			"pgqueue.listener.timeout=0s, timeout is PT0S",
			"pgqueue.listener.shutdown-timeout=-1s, shutdown-timeout is PT-1S",
			"pgqueue.queues.inbox.concurrency=-1, concurrency is -1", "pgqueue.retry.max-attempts=0, max-attempts is 0",
			"pgqueue.retry.initial=-1s, initial is PT-1S", "pgqueue.retry.multiplier=0.5, multiplier is 0.5",
			"pgqueue.retry.max=1ms, max is PT0.001S", "pgqueue.retry.jitter=1.1, jitter is 1.1",
			"pgqueue.retry.jitter=-0.1, jitter is -0.1" })
	void aValueThatCannotWorkFailsTheStartWithASentence(String property, String sentence) {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues(property)
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining(sentence)
				.hasMessageContaining("must be"));
	}

	@Test
	void aListenerThatDoesNotStartByItselfIsStartedByTheRegistry() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.listener.auto-startup=false", "inbox.queue=not-started")
			.run((context) -> {
				QueueListenerContainer container = context.getBean(QueueListenerRegistry.class).container("inbox");
				assertThat(container.isRunning()).isFalse();
				context.getBean(QueueOperations.class).send("not-started", "hello");
				container.start();
				Await.until("it has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
			});
	}

	@Test
	void asManyHandlersRunAtATimeAsConfigured() {
		this.application.withUserConfiguration(Meeting.class)
			.withPropertyValues("pgqueue.listener.concurrency=3")
			.run((context) -> {
				context.getBean(QueueOperations.class).sendAll("meeting", List.of("a", "b", "c"));
				Await.until("three have met", () -> context.getBean(Meeting.class).complete.size() == 3);
			});
	}

	@Test
	void aBatchIsNoLargerThanConfigured() {
		this.application.withUserConfiguration(Batches.class)
			.withPropertyValues("pgqueue.listener.batch-size=4", "pgqueue.listener.auto-startup=false")
			.run((context) -> {
				List<String> all = Stream.iterate(1, (i) -> i + 1).limit(10).map(String::valueOf).toList();
				context.getBean(QueueOperations.class).sendAll("batches", all);
				context.getBean(QueueListenerRegistry.class).container("batches").start();
				List<List<String>> batches = context.getBean(Batches.class).batches;
				Await.until("all have arrived", () -> batches.stream().mapToInt(List::size).sum() == 10);
				assertThat(batches.get(0)).containsExactly("1", "2", "3", "4");
				assertThat(batches).allSatisfy((batch) -> assertThat(batch).hasSizeLessThanOrEqualTo(4));
			});
	}

	@Test
	void anIdleQueueIsLookedAtAsRarelyAsConfigured() {
		this.application.withUserConfiguration(Rare.class)
			.withPropertyValues("pgqueue.notify.enabled=false", "pgqueue.listener.poll-interval=100ms",
					"pgqueue.queues.rare.poll-interval=1h")
			.run((context) -> {
				Rare rare = context.getBean(Rare.class);
				context.getBean(QueueOperations.class).send("rare", "wakes the listener");
				Await.until("it has arrived", () -> rare.rare.get() == 1);
				// Another process, as far as wake-ups are concerned.
				QueueOperations other = QueueTemplate.builder(context.getBean(DataSource.class)).build();
				passSomeTime(rare, other);
				other.send("rare", "unnoticed");
				passSomeTime(rare, other);
				assertThat(rare.rare).hasValue(1);
				context.getBean(QueueOperations.class).send("rare", "wakes the listener");
				Await.until("all have arrived", () -> rare.rare.get() == 3);
			});
	}

	/**
	 * Lets the queue that is looked at often be looked at several times.
	 */
	private static void passSomeTime(Rare rare, QueueOperations other) {
		for (int i = 0; i < 5; i++) {
			int before = rare.often.get();
			other.send("often", "noticed soon");
			Await.until("it has arrived", () -> rare.often.get() > before);
		}
	}

	@Test
	void aMessageIsGivenUpAfterTheConfiguredAttempts() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.retry.max-attempts=2", "pgqueue.retry.initial=5ms", "inbox.queue=twice")
			.run((context) -> {
				context.getBean(QueueOperations.class).send("twice", "fail");
				QueueAdmin admin = context.getBean(QueueAdmin.class);
				Await.until("it was given up", () -> !admin.deadLetters("twice", 1).isEmpty());
				assertThat(admin.deadLetters("twice", 1).get(0).attempts()).isEqualTo(2);
				assertThat(context.getBean(Inbox.class).received()).containsExactly("fail", "fail");
			});
	}

	@Test
	void aHandlerIsInterruptedAfterTheShutdownTimeoutAndItsMessageIsKept() {
		AtomicBoolean interrupted = new AtomicBoolean();
		this.application.withBean(Stubborn.class, () -> new Stubborn(interrupted))
			.withPropertyValues("pgqueue.listener.shutdown-timeout=100ms")
			.run((context) -> {
				context.getBean(QueueOperations.class).send("stubborn", "hello");
				context.getBean(Stubborn.class).started.await();
			});
		assertThat(interrupted).isTrue();
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("inbox.queue=stubborn")
			.run((context) -> Await.until("it was delivered again",
					() -> context.getBean(Inbox.class).received().equals(List.of("hello"))));
	}

	static class Annotated {

		@QueueListener(id = "annotated", queue = "annotated", concurrency = "${annotated.concurrency}",
				batchSize = "#{10 * 4}", pollInterval = "4s", autoStartup = "true")
		void on(String text) {
		}

	}

	static class Meeting {

		private final CountDownLatch together = new CountDownLatch(3);

		private final Set<String> complete = ConcurrentHashMap.newKeySet();

		@QueueListener("meeting")
		void on(String text) throws InterruptedException {
			this.together.countDown();
			this.together.await();
			this.complete.add(text);
		}

	}

	static class Rare {

		private final AtomicInteger rare = new AtomicInteger();

		private final AtomicInteger often = new AtomicInteger();

		@QueueListener("rare")
		void onRare(String text) {
			this.rare.incrementAndGet();
		}

		@QueueListener("often")
		void onOften(String text) {
			this.often.incrementAndGet();
		}

	}

	static class Batches {

		private final List<List<String>> batches = new CopyOnWriteArrayList<>();

		@QueueListener(id = "batches", queue = "batches")
		void on(List<String> batch) {
			this.batches.add(batch);
		}

	}

	static class Stubborn {

		private final CountDownLatch started = new CountDownLatch(1);

		private final AtomicBoolean interrupted;

		Stubborn(AtomicBoolean interrupted) {
			this.interrupted = interrupted;
		}

		@QueueListener("stubborn")
		void on(String text) throws InterruptedException {
			this.started.countDown();
			try {
				new CountDownLatch(1).await();
			}
			catch (InterruptedException ex) {
				this.interrupted.set(true);
				throw ex;
			}
		}

	}

}
