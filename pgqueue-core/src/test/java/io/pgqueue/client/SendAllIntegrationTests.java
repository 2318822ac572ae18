package io.pgqueue.client;

import java.lang.ref.WeakReference;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.RandomAccess;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.SendResult;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class SendAllIntegrationTests {

	private final TestDatabase database;

	private final QueueTemplate queues;

	private final TransactionTemplate transactions;

	private String queue;

	SendAllIntegrationTests(TestDatabase database) {
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

	@Test
	void nothingIsSentForAnEmptyList() {
		assertThat(this.queues.sendAll(this.queue, List.of())).isEmpty();
		assertThat(messages()).isZero();
	}

	@Test
	void oneMessageIsSentForAListOfOne() {
		List<SendResult> results = this.queues.sendAll(this.queue, List.of("only"));
		assertThat(results).hasSize(1);
		assertThat(storedIds()).containsExactly(results.get(0).id());
	}

	@Test
	void severalChunksKeepTheOrderOfThePayloads() {
		List<SendResult> results = this.queues.sendAll(this.queue, numbers(2_500));
		assertThat(results).hasSize(2_500)
			.allMatch(SendResult::created)
			.allMatch((one) -> one.queue().equals(this.queue));
		assertThat(results.stream().map(SendResult::id)).isSorted().doesNotHaveDuplicates();
		assertThat(storedIds()).isEqualTo(results.stream().map(SendResult::id).toList());
		assertThat(storedPayloads()).isEqualTo(numbers(2_500).stream().map((number) -> '"' + number + '"').toList());
	}

	@Test
	void resultsAreAddressable() {
		List<SendResult> results = this.queues.sendAll(this.queue, numbers(1_001));
		assertThat(results).isInstanceOf(RandomAccess.class);
		assertThat(results.get(1_000).id()).isEqualTo(storedIds().get(1_000));
		assertThat(results.get(0)).isEqualTo(new SendResult(storedIds().get(0), this.queue, true));
		assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> results.get(1_001));
		assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> results.get(-1));
	}

	@Test
	void oneTransactionIsUsedForAllChunks() {
		this.queues.sendAll(this.queue, numbers(2_500));
		assertThat(this.database.jdbc()
			.sql("SELECT count(DISTINCT xid) FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single()).isEqualTo(1);
	}

	@Test
	void payloadsAreReadAsAStreamAndNotKept() {
		JdbcClient joined = JdbcClient.create(this.database.dataSource());
		WeakReference<?>[] first = new WeakReference<?>[1];
		this.transactions.executeWithoutResult((status) -> {
			List<SendResult> results = this.queues.sendAll(this.queue, lazily(50_000, (position) -> {
				String payload = "payload " + position;
				if (position == 0) {
					first[0] = new WeakReference<>(payload);
				}
				if (position == 30_000) {
					assertThat(count(joined)).isGreaterThan(25_000);
					Await.until("the first payload is garbage", () -> {
						System.gc();
						return first[0].get() == null;
					});
				}
				return payload;
			}));
			assertThat(results).hasSize(50_000);
		});
		assertThat(messages()).isEqualTo(50_000);
	}

	@Test
	void largePayloadsAreSplitIntoSmallerChunks() {
		String large = "x".repeat(500_000);
		List<SendResult> results = this.queues.sendAll(this.queue, lazily(20, (position) -> large));
		assertThat(results).hasSize(20);
		assertThat(messages()).isEqualTo(20);
	}

	@Test
	void aPayloadThatCannotBeStoredLeavesNothing() {
		assertThatExceptionOfType(InvalidMessageException.class)
			.isThrownBy(() -> this.queues.sendAll(this.queue,
					lazily(2_500, (position) -> (position == 2_200) ? null : position)))
			.withMessageStartingWith("Message 2200 of the batch");
		assertThat(messages()).isZero();
	}

	@Test
	void aSourceThatFailsInTheMiddleLeavesNothing() {
		assertThatExceptionOfType(IllegalStateException.class)
			.isThrownBy(() -> this.queues.sendAll(this.queue, failing()))
			.withMessage("the source failed");
		assertThat(messages()).isZero();
	}

	@Test
	void aFailureThatTheCallerCatchesLeavesNothingInTheCallersTransaction() {
		this.transactions.executeWithoutResult((status) -> {
			this.queues.send(this.queue, "before");
			assertThatExceptionOfType(IllegalStateException.class)
				.isThrownBy(() -> this.queues.sendAll(this.queue, failing()));
			this.queues.send(this.queue, "after");
		});
		assertThat(messages()).isEqualTo(2);
	}

	@Test
	void anUnknownQueueIsRefusedBeforeTheSourceIsReadToItsEnd() {
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.queues.sendAll("no-such-queue", failing()));
	}

	@Test
	void optionsApplyToEveryMessage() {
		this.queues.sendAll(this.queue, numbers(3), (options) -> options.header("tenant", "acme"));
		assertThat(this.database.jdbc()
			.sql("SELECT m.headers ->> 'tenant' FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(String.class)
			.list()).containsExactly("acme", "acme", "acme");
	}

	private static List<String> numbers(int count) {
		return IntStream.range(0, count).mapToObj(String::valueOf).toList();
	}

	private static Iterable<Object> failing() {
		return lazily(2_500, (position) -> {
			if (position == 2_200) {
				throw new IllegalStateException("the source failed");
			}
			return position;
		});
	}

	private static Iterable<Object> lazily(int count, IntFunction<Object> source) {
		return () -> new Iterator<>() {

			private int position;

			@Override
			public boolean hasNext() {
				return this.position < count;
			}

			@Override
			public Object next() {
				if (this.position == count) {
					throw new NoSuchElementException();
				}
				return source.apply(this.position++);
			}

		};
	}

	private int messages() {
		return count(this.database.jdbc());
	}

	private int count(JdbcClient jdbc) {
		return jdbc
			.sql("SELECT count(*) FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	private List<Long> storedIds() {
		return stored("m.id", Long.class);
	}

	private List<String> storedPayloads() {
		return stored("m.payload::text", String.class);
	}

	private <T> List<T> stored(String expression, Class<T> type) {
		return this.database.jdbc()
			.sql("SELECT " + expression
					+ " FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ? ORDER BY m.id")
			.param(this.queue)
			.query(type)
			.list();
	}

}
