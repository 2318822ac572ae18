package io.pgqueue.admin;

import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

import javax.sql.DataSource;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.SendResult;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

@PgQueueDatabase
class QueueAdminIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final QueueAdmin admin;

	private final String queue;

	QueueAdminIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.admin = this.application.admin();
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@Test
	void deadLettersAreListedNewestFirst() {
		List<Long> sent = fail(5);
		List<DeadLetter> letters = this.admin.deadLetters(this.queue, 100);
		assertThat(letters.stream().map(DeadLetter::id)).containsExactly(sent.get(4), sent.get(3), sent.get(2),
				sent.get(1), sent.get(0));
		assertThat(letters.stream().map(DeadLetter::deadAt))
			.isSortedAccordingTo((left, right) -> right.compareTo(left));
	}

	@Test
	void theLimitKeepsTheNewest() {
		List<Long> sent = fail(5);
		assertThat(this.admin.deadLetters(this.queue, 2).stream().map(DeadLetter::id)).containsExactly(sent.get(4),
				sent.get(3));
		assertThat(this.admin.deadLetters(this.queue, 10_000)).hasSize(5);
	}

	@Test
	void aDeadLetterSaysWhatHappenedAndShowsNoPayload() {
		Instant before = databaseTime();
		fail(1);
		Instant after = databaseTime();
		DeadLetter letter = this.admin.deadLetters(this.queue, 1).get(0);
		assertThat(letter.queue()).isEqualTo(this.queue);
		assertThat(letter.subscription()).isEqualTo("default");
		assertThat(letter.attempts()).isEqualTo(1);
		assertThat(letter.errorClass()).isEqualTo("java.lang.IllegalStateException");
		assertThat(letter.errorMessage()).isEqualTo("refused");
		assertThat(letter.reason()).isEqualTo("attempt 1 of 1 failed");
		assertThat(letter.redrives()).isZero();
		assertThat(letter.worker()).isEqualTo("test");
		assertThat(letter.enqueuedAt()).isBetween(before, after);
		assertThat(letter.deadAt()).isBetween(letter.enqueuedAt(), after);
		assertThat(letter.toString()).doesNotContain("payload");
	}

	@Test
	void deadLettersOfOtherQueuesAreNotListed() {
		fail(1);
		assertThat(this.admin.deadLetters(this.application.declareQueue(), 10)).isEmpty();
	}

	@ParameterizedTest
	@ValueSource(ints = { 0, -1, 10_001, Integer.MAX_VALUE, Integer.MIN_VALUE })
	void aLimitOutOfRangeIsRefused(int limit) {
		assertThatIllegalArgumentException().isThrownBy(() -> this.admin.deadLetters(this.queue, limit))
			.withMessage("limit is " + limit + ", but must be from 1 to 10000");
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "two words", "'; DROP TABLE pgqueue.queue; --", "nul\0" })
	void aNameThatNoQueueCanHaveIsRefused(String name) {
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.admin.deadLetters(name, 10))
			.withMessageStartingWith("Invalid queue name '");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.admin.deadLetters(null, 10));
	}

	@Test
	void aQueueIsDeclaredOnce() {
		String name = TestApplication.uniqueQueue();
		assertThat(this.admin.declare(new Queue(name))).isTrue();
		assertThat(this.admin.declare(new Queue(name))).isFalse();
		assertThat(this.admin.queues()).containsOnlyOnce(name).isSorted();
		assertThat(this.application.queues().send(name, "x").id()).isPositive();
	}

	@Test
	void namesDifferByCase() {
		String name = TestApplication.uniqueQueue();
		this.admin.declare(new Queue(name));
		assertThat(this.admin.declare(new Queue(name.toUpperCase(Locale.ROOT)))).isTrue();
	}

	@Test
	void aDeclarationBelongsToTheCallersTransaction() {
		String name = TestApplication.uniqueQueue();
		DataSource pool = this.database.dataSource();
		new TransactionTemplate(new JdbcTransactionManager(pool)).executeWithoutResult((status) -> {
			assertThat(this.admin.declare(new Queue(name))).isTrue();
			this.application.queues().send(name, "x");
			status.setRollbackOnly();
		});
		assertThat(this.admin.queues()).doesNotContain(name);
	}

	@Test
	void whatTheDeclaringTransactionSendsIsDelivered() {
		String name = TestApplication.uniqueQueue();
		new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()))
			.executeWithoutResult((status) -> {
				this.admin.declare(new Queue(name));
				this.application.queues().send(name, "x");
			});
		this.application.handle(TestApplication.options(name).build(), (message) -> {
		}).start();
		Await.until("it was handled", () -> this.application.events().completed(name) == 1);
	}

	@Test
	void manyThreadsDeclareOneQueueOnce() {
		String name = TestApplication.uniqueQueue();
		long created = IntStream.range(0, 16)
			.parallel()
			.filter((i) -> new QueueAdmin(this.database.directDataSource(), TestDatabase.SCHEMA)
				.declare(new Queue(name)))
			.count();
		assertThat(created).isEqualTo(1);
	}

	@Test
	void aSchemaWhoseNameNeedsQuotesWorks() {
		String schema = "My-Queue \"1\"";
		this.database.migrate(schema);
		QueueAdmin quoted = new QueueAdmin(this.database.dataSource(), schema);
		assertThat(quoted.queues()).isEmpty();
		assertThat(quoted.declare(new Queue("orders"))).isTrue();
		assertThat(quoted.queues()).containsExactly("orders");
		assertThat(quoted.deadLetters("orders", 1)).isEmpty();
		QueueTemplate queues = QueueTemplate.builder(this.database.dataSource()).schema(schema).build();
		assertThat(queues.send("orders", "x").id()).isPositive();
		assertThatExceptionOfType(UnknownQueueException.class).isThrownBy(() -> queues.send(this.queue, "x"));
	}

	private List<Long> fail(int count) {
		this.application
			.handle(TestApplication.options(this.queue).retryPolicy(TestApplication.ONCE).build(), (message) -> {
				throw new IllegalStateException("refused");
			})
			.start();
		List<Long> sent = IntStream.range(0, count).mapToObj((i) -> {
			SendResult result = this.application.queues().send(this.queue, "payload " + i);
			Await.until("it is a dead letter", Duration.ofSeconds(20),
					() -> this.admin.deadLetters(this.queue, 100).size() == i + 1);
			return result.id();
		}).toList();
		return sent;
	}

	private Instant databaseTime() {
		return this.database.jdbc()
			.sql("SELECT clock_timestamp()")
			.query((results, row) -> results.getObject(1, OffsetDateTime.class).toInstant())
			.single();
	}

}
