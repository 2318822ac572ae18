package io.pgqueue.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.InvalidMessageException;
import io.pgqueue.PgQueueException;
import io.pgqueue.QueueHeaders;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.messaging.support.MessageBuilder;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

@PgQueueDatabase
class RefusedMessagesIntegrationTests {

	private final TestDatabase database;

	private final QueueTemplate queues;

	private final TransactionTemplate transactions;

	private String queue;

	RefusedMessagesIntegrationTests(TestDatabase database) {
		this.database = database;
		this.queues = QueueTemplate.builder(database.dataSource()).build();
		this.transactions = new TransactionTemplate(new JdbcTransactionManager(database.dataSource()));
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void declareQueue() {
		this.queue = TestApplication.on(this.database).declareQueue();
	}

	@AfterEach
	void nothingWasWritten() {
		int messages = this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
		assertThat(messages).isZero();
	}

	@Test
	void anUnknownQueueIsRefusedWithTheNearestMatch() {
		String misspelt = "kueue" + this.queue.substring("queue".length());
		assertThatExceptionOfType(UnknownQueueException.class).isThrownBy(() -> this.queues.send(misspelt, "lost"))
			.withMessage("Queue '" + misspelt + "' does not exist; did you mean '" + this.queue
					+ "'? Declare it with a @QueueListener, a Queue bean or pgqueue.queues." + misspelt);
	}

	@Test
	void anUnknownQueueWithoutAMatchIsRefusedInWholeSentences() {
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.queues.sendAll("nothing-like-any-other", List.of("lost")))
			.withMessageContaining("Queue 'nothing-like-any-other' does not exist")
			.withMessageNotContaining("did you mean")
			.withMessageNotContaining("exist Declare");
	}

	@Test
	void theTransactionGoesOnAfterAnUnknownQueue() {
		this.transactions.executeWithoutResult((status) -> {
			assertThatExceptionOfType(UnknownQueueException.class)
				.isThrownBy(() -> this.queues.send("no-such-queue", "lost"));
			assertThat(this.queues.send(this.queue, "the transaction is usable").id()).isPositive();
			status.setRollbackOnly();
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "", " ", "two words", "with'quote", "with\"double", "100%s", "nul\0", "new\nline",
			"ümlaut", "'; DROP TABLE pgqueue.message; --", "a/b", "a:b", "${a}" })
	void aNameThatNoQueueCanHaveIsRefused(String name) {
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> this.queues.send(name, "lost"))
			.withMessageStartingWith("Invalid queue name '" + name.replaceAll("\\p{Cntrl}", "?") + "'")
			.withMessageContaining("use 1 to 100 characters");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.queues.sendAll(name, List.of()))
			.withMessageStartingWith("Invalid queue name");
	}

	@Test
	void aNameThatIsNullOrTooLongIsRefused() {
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> this.queues.send(null, "lost"))
			.withMessageStartingWith("Invalid queue name null");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.queues.send("x".repeat(101), "lost"))
			.withMessageContaining("1 to 100 characters");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.queues.send("x".repeat(1_000_000), "lost"))
			.satisfies((ex) -> assertThat(ex.getMessage()).contains("1000000 characters").hasSizeLessThan(400));
	}

	@ParameterizedTest
	@MethodSource("payloads")
	void aPayloadThatCannotBeStoredIsRefusedInOneSentence(Object payload, String... reasons) {
		List<Object> batch = new ArrayList<>(List.of("good"));
		batch.add(payload);
		this.transactions.executeWithoutResult((status) -> {
			InvalidMessageException alone = catchThrowableOfType(InvalidMessageException.class,
					() -> this.queues.send(this.queue, payload));
			assertThat(alone.getMessage()).contains(reasons).hasSizeLessThan(500);
			InvalidMessageException inBatch = catchThrowableOfType(InvalidMessageException.class,
					() -> this.queues.sendAll(this.queue, batch));
			assertThat(inBatch.getMessage()).startsWith("Message 1 of the batch: ").contains(reasons);
			assertThat(this.queues.send(this.queue, "the transaction is usable").id()).isPositive();
			status.setRollbackOnly();
		});
	}

	static Stream<Object[]> payloads() {
		Map<String, Object> cycle = new HashMap<>();
		cycle.put("itself", cycle);
		Object deep = "bottom";
		for (int i = 0; i < 100_000; i++) {
			deep = List.of(deep);
		}
		return Stream.of(new Object[] { null, new String[] { "payload is null", "send an object" } },
				new Object[] { cycle, new String[] { "java.util.HashMap", "cannot be written as JSON" } },
				new Object[] { new Cyclic(), new String[] { "Cyclic", "cannot be written as JSON" } },
				new Object[] { deep, new String[] { "cannot be written as JSON" } },
				new Object[] { new Failing(), new String[] { "Failing", "the getter failed" } },
				new Object[] { "x".repeat(2 * 1024 * 1024),
						new String[] { "2097154 bytes", "pgqueue.template.max-payload", "1048576" } },
				new Object[] { "€".repeat(400_000), new String[] { "1200002 bytes" } },
				new Object[] { new byte[1024 * 1024], new String[] { "pgqueue.template.max-payload" } });
	}

	@ParameterizedTest
	@MethodSource("headers")
	void aHeaderThatCannotBeStoredIsRefusedInOneSentence(String name, Object value, String... reasons) {
		assertThatExceptionOfType(InvalidMessageException.class)
			.isThrownBy(() -> this.queues.send(this.queue, "lost", (options) -> options.header(name, value)))
			.satisfies((ex) -> assertThat(ex.getMessage()).contains(reasons).hasSizeLessThan(500));
		assertThatExceptionOfType(InvalidMessageException.class).isThrownBy(
				() -> this.queues.sendAll(this.queue, List.of("lost"), (options) -> options.header(name, value)));
	}

	static Stream<Object[]> headers() {
		return Stream.of(
				new Object[] { QueueHeaders.ATTEMPT, 7, new String[] { "'pgqueue_attempt'", "belong to the library" } },
				new Object[] { "pgqueue_", "x", new String[] { "'pgqueue_'", "belong to the library" } },
				new Object[] { "list", List.of(1),
						new String[] { "'list'", "only strings, numbers and booleans can be stored" } },
				new Object[] { "object", new Object(), new String[] { "'object'", "java.lang.Object" } },
				new Object[] { "large", "x".repeat(2 * 1024 * 1024), new String[] { "max-payload" } },
				new Object[] { null, "x", new String[] { "header" } });
	}

	@Test
	void aHeaderOfAMessageThatCannotBeStoredIsRefused() {
		assertThatExceptionOfType(InvalidMessageException.class)
			.isThrownBy(() -> this.queues.send(this.queue,
					MessageBuilder.withPayload("lost").setHeader("map", Map.of()).build()))
			.withMessageContaining("'map'");
	}

	@Test
	void aPayloadThatIsTheJsonNullIsRefused() {
		assertThatExceptionOfType(InvalidMessageException.class)
			.isThrownBy(() -> this.queues.send(this.queue, Optional.empty()))
			.withMessageContaining("JSON null");
	}

	@Test
	void nullInsteadOfPayloadsOrOptionsIsRefused() {
		assertThatExceptionOfType(InvalidMessageException.class).isThrownBy(() -> this.queues.sendAll(this.queue, null))
			.withMessageContaining("payloads are null");
		assertThatExceptionOfType(PgQueueException.class)
			.isThrownBy(() -> this.queues.sendAll(this.queue, Arrays.asList("good", null)))
			.withMessageStartingWith("Message 1 of the batch: The payload is null");
	}

	@Test
	void theLargestPayloadIsLimitedByTheDatabase() {
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> QueueTemplate.builder(this.database.dataSource()).maxPayload(64L * 1024 * 1024 + 1))
			.withMessageContaining("67108865");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> QueueTemplate.builder(this.database.dataSource()).maxPayload(0))
			.withMessageContaining("is 0 bytes");
	}

	public static final class Cyclic {

		public Cyclic getSelf() {
			return this;
		}

	}

	public static final class Failing {

		public String getName() {
			throw new IllegalStateException("the getter failed");
		}

	}

}
