package io.pgqueue.listener;

import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;
import java.util.stream.Collectors;

import javax.sql.DataSource;

import io.pgqueue.AckMode;
import io.pgqueue.Acknowledgement;
import io.pgqueue.QueueMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.aop.support.AopUtils;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.Transactional;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Whatever is in a message and whatever its handler does, in every mode: it ends in
 * success or as a dead letter, and everything else goes on.
 */
@PgQueueDatabase
class HostileMessagesIntegrationTests {

	private static final String GOOD = "good";

	private final TestDatabase database;

	private final CountDownLatch end = new CountDownLatch(1);

	private AnnotationConfigApplicationContext context;

	private TestApplication application;

	HostileMessagesIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void start() {
		this.context = new AnnotationConfigApplicationContext();
		this.context.registerBean(DataSource.class, this.database::dataSource,
				(definition) -> definition.setDestroyMethodName(""));
		this.context.register(TransactionalHandlers.Transactions.class, Handlers.class);
		this.context.refresh();
		this.application = TestApplication.builder(this.database).beans(this.context.getBeanFactory()).build();
	}

	@AfterEach
	void close() {
		this.end.countDown();
		this.application.close();
		this.context.close();
	}

	@ParameterizedTest
	@EnumSource
	void whateverAHandlerThrowsEndsAsADeadLetter(Mode mode) {
		String queue = listen(mode, twice(), (name) -> {
			if (name.equals(GOOD)) {
				Thread.currentThread().interrupt();
			}
			else {
				throw HostileFailures.ALL.get(name).get();
			}
		});
		Map<Long, String> sent = new LinkedHashMap<>();
		HostileFailures.ALL.keySet().forEach((name) -> {
			sent.put(send(queue, Map.of("name", name)), name);
			send(queue, Map.of("name", GOOD));
		});
		this.application.start();
		int failures = sent.size();
		if (mode == Mode.ON_RECEIVE) {
			awaitSettled(queue, failures, 0);
			assertThat(this.application.events().failed(queue)).isEqualTo(failures);
			return;
		}
		// A checked exception does not roll back, unless one says so.
		boolean commitsChecked = mode == Mode.IN_OWN_TRANSACTION || mode == Mode.BATCH_IN_OWN_TRANSACTION;
		int dead = commitsChecked ? failures - 1 : failures;
		awaitSettled(queue, failures + (commitsChecked ? 1 : 0), dead);
		for (DeadLetter letter : this.application.admin().deadLetters(queue, 100)) {
			String name = sent.remove(letter.id());
			assertThat(letter.attempts()).isEqualTo(2);
			assertThat(letter.reason()).isEqualTo("attempt 2 of 2 failed");
			assertThat(this.application.admin().deadLetter(queue, "default", letter.id()).errorStack()).as(name)
				.startsWith(letter.errorClass() + "\n\tat ")
				.hasSizeLessThan(10_000);
			// Proxies ask for it too, and pass on what that throws.
			boolean known = HostileFailures.MESSAGES.containsKey(name)
					&& !(commitsChecked && name.equals("a message that throws"));
			if (known) {
				assertThat(letter.errorMessage()).as(name)
					.startsWith(HostileFailures.MESSAGES.get(name))
					.hasSizeLessThan(3_000);
			}
		}
		assertThat(sent.values()).containsExactlyElementsOf(commitsChecked ? List.of("an interrupt") : List.of());
	}

	@ParameterizedTest
	@EnumSource
	void whateverIsInAMessageEndsInSuccessOrAsADeadLetterAtOnce(Mode mode) {
		Map<Long, String> sent = new LinkedHashMap<>();
		String queue = listen(mode, twice(),
				(name) -> assertThat(Thread.currentThread().isInterrupted()).as("interrupted by decoding").isFalse());
		Map<String, String> expected = new TreeMap<>();
		HostileJson.PAYLOADS.forEach((payload, outcome) -> {
			sent.put(sendRaw(queue, payload, null), "payload " + payload);
			expected.put("payload " + payload, outcome);
		});
		HostileJson.HEADERS.forEach((headers, outcome) -> {
			sent.put(sendRaw(queue, "{\"name\":\"good\"}", headers), "headers " + headers);
			expected.put("headers " + headers, outcome);
		});
		this.application.start();
		int dead = (int) expected.values().stream().filter("dead"::equals).count();
		awaitSettled(queue, sent.size() - dead, dead);
		Map<String, String> outcomes = new TreeMap<>();
		sent.values().forEach((content) -> outcomes.put(content, "success"));
		this.application.admin().deadLetters(queue, 100).forEach((letter) -> {
			outcomes.put(sent.get(letter.id()), "dead");
			assertThat(letter.attempts()).isOne();
		});
		assertThat(outcomes).isEqualTo(expected);
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void aHandlerThatBlocksForEverEndsAsADeadLetterInEveryMode(boolean interruptible) {
		Map<Mode, String> queues = Arrays.stream(Mode.values())
			.collect(Collectors.toMap(Function.identity(), (mode) -> listen(mode,
					(options) -> options.timeout(Duration.ofMillis(500)).retryPolicy(TestApplication.ONCE), (name) -> {
						if (!name.equals(GOOD)) {
							block(interruptible);
						}
					})));
		queues.values().forEach((queue) -> {
			send(queue, Map.of("name", "blocks"));
			send(queue, Map.of("name", GOOD));
		});
		this.application.start();
		queues.forEach((mode, queue) -> {
			Await.until(mode + ": the other message is done", () -> this.application.events().completed(queue) == 1);
			Await.until(mode + ": the failure is counted", () -> this.application.events().failed(queue) == 1);
		});
		queues.forEach((mode, queue) -> {
			int dead = (mode == Mode.ON_RECEIVE) ? 0 : 1;
			Await.until(mode + ": it is dead", () -> this.application.events().deadLettered(queue) == dead);
		});
		this.end.countDown();
		this.application.close();
		queues.forEach((mode, queue) -> {
			assertThat(this.application.events().failed(queue)).as(mode + ": failures in the end").isOne();
			assertThat(this.application.events().completed(queue)).as(mode + ": successes in the end").isOne();
		});
		assertThat(held()).isZero();
	}

	private void block(boolean interruptible) throws InterruptedException {
		while (this.end.getCount() > 0) {
			try {
				this.end.await();
			}
			catch (InterruptedException ex) {
				if (interruptible) {
					throw ex;
				}
			}
		}
	}

	private String listen(Mode mode, Function<ContainerOptions.Builder, ContainerOptions.Builder> options,
			Action action) {
		String queue = this.application.declareQueue();
		Handlers bean = this.context.getBean(Handlers.class);
		bean.actions().put(queue, action);
		ContainerOptions.Builder builder = options.apply(TestApplication.options(queue).ackMode(mode.ackMode));
		if (mode.method.toLowerCase().contains("batch")) {
			// What is in one batch with a failure fails with it.
			builder.batchSize(1);
		}
		if (mode.ackMode == AckMode.TRANSACTIONAL) {
			builder.transactionManager(this.context.getBean(PlatformTransactionManager.class));
		}
		this.application.listen(builder.build(), bean,
				Arrays.stream(Handlers.class.getDeclaredMethods())
					.filter((method) -> method.getName().equals(mode.method))
					.map((method) -> AopUtils.selectInvocableMethod(method, bean.getClass()))
					.findFirst()
					.orElseThrow());
		return queue;
	}

	private static Function<ContainerOptions.Builder, ContainerOptions.Builder> twice() {
		return (options) -> options.retryPolicy(new RetryPolicy(2, Duration.ZERO, 1, Duration.ZERO, 0));
	}

	private long send(String queue, Object payload) {
		return this.application.queues().send(queue, payload).id();
	}

	private long sendRaw(String queue, String payload, String headers) {
		return this.database.jdbc()
			.sql("SELECT * FROM pgqueue.send_batch(?, ARRAY[?], ARRAY[?::text])")
			.params(queue, payload, headers)
			.query(Long.class)
			.single();
	}

	private void awaitSettled(String queue, int completed, int dead) {
		Await.until("all are settled", () -> this.application.events().completed(queue) >= completed
				&& this.application.events().deadLettered(queue) >= dead && held() == 0);
		assertThat(this.application.events().completed(queue)).as("successes").isEqualTo(completed);
		assertThat(this.application.events().deadLettered(queue)).as("dead letters").isEqualTo(dead);
	}

	private int held() {
		return this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
			.query(Integer.class)
			.single();
	}

	/**
	 * Every way to acknowledge.
	 */
	enum Mode {

		PLAIN(AckMode.AUTO, "plain"), IN_OWN_TRANSACTION(AckMode.AUTO, "transactional"),
		TRANSACTIONAL(AckMode.TRANSACTIONAL, "plain"), MANUAL(AckMode.MANUAL, "manual"),
		ON_RECEIVE(AckMode.ON_RECEIVE, "plain"), BATCH(AckMode.AUTO, "batch"),
		BATCH_IN_OWN_TRANSACTION(AckMode.AUTO, "transactionalBatch"),
		TRANSACTIONAL_BATCH(AckMode.TRANSACTIONAL, "batch");

		private final AckMode ackMode;

		private final String method;

		Mode(AckMode ackMode, String method) {
			this.ackMode = ackMode;
			this.method = method;
		}

	}

	/**
	 * What a handler does with the name in a payload.
	 */
	interface Action {

		void on(String name) throws Throwable;

	}

	static class Handlers {

		private final Map<String, Action> actions = new ConcurrentHashMap<>();

		Map<String, Action> actions() {
			return this.actions;
		}

		void plain(QueueMessage<HostileJson> message) throws Throwable {
			handle(message);
		}

		@Transactional
		void transactional(QueueMessage<HostileJson> message) throws Throwable {
			handle(message);
		}

		void manual(QueueMessage<HostileJson> message, Acknowledgement acknowledgement) throws Throwable {
			handle(message);
			acknowledgement.acknowledge();
		}

		void batch(List<QueueMessage<HostileJson>> messages) throws Throwable {
			handle(messages.get(0));
		}

		@Transactional
		void transactionalBatch(List<QueueMessage<HostileJson>> messages) throws Throwable {
			handle(messages.get(0));
		}

		private void handle(QueueMessage<HostileJson> message) throws Throwable {
			this.actions.get(message.queue()).on(message.payload().name());
		}

	}

}
