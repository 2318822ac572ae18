package io.pgqueue.engine;

import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Appending to the log.
 */
@PgQueueDatabase
class MessageLogIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	MessageLogIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@Test
	void theIdentitiesAreInTheOrderOfThePayloads() {
		int count = 500;
		List<String> payloads = IntStream.range(0, count).mapToObj(String::valueOf).toList();
		long[] ids = this.engine.log.send(this.engine.queue.name(), payloads, Collections.nCopies(count, null));
		assertThat(ids).hasSize(count).isSorted();
		assertThat(this.engine.claim(count).messages()).extracting(ClaimedMessage::payload).isEqualTo(payloads);
	}

	@Test
	void aQueueThatDoesNotExistTakesNothingAndDoesNotEndTheTransaction() {
		assertThat(this.engine.log.send("no-such-queue", List.of("1"), Arrays.asList((String) null))).isEmpty();
		new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()))
			.executeWithoutResult((status) -> {
				assertThat(this.engine.log.send("no-such-queue", List.of("1"), Arrays.asList((String) null))).isEmpty();
				assertThat(this.engine.send(1)).hasSize(1);
			});
		assertThat(this.engine.drain()).hasSize(1);
	}

	@Test
	void sendingJoinsTheTransactionThatSpringHasBound() {
		TransactionTemplate transaction = new TransactionTemplate(
				new JdbcTransactionManager(this.database.dataSource()));
		transaction.executeWithoutResult((status) -> {
			this.engine.send(2);
			status.setRollbackOnly();
		});
		long[] ids = transaction.execute((status) -> this.engine.send(2));
		assertThat(this.engine.drain()).isEqualTo(TestEngine.list(ids));
	}

	@Test
	void aTransactionOnAnotherDataSourceIsNotJoined() {
		TransactionTemplate other = new TransactionTemplate(
				new JdbcTransactionManager(this.database.pool((config) -> config.setMaximumPoolSize(1))));
		other.executeWithoutResult((status) -> {
			this.engine.send(1);
			status.setRollbackOnly();
		});
		assertThat(this.engine.drain()).hasSize(1);
	}

	@Test
	void claimsAndSettlesStayOutOfTheCallersTransaction() {
		this.engine.send(1);
		new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()))
			.executeWithoutResult((status) -> {
				assertThat(this.engine.claim(1).messages()).hasSize(1);
				this.engine.leases.settle(this.engine.worker, List.of(this.engine.lastLease()), List.of(), List.of());
				status.setRollbackOnly();
			});
		assertThat(this.engine.drain()).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).isEmpty();
	}

	@Test
	void whatPostgresqlAcceptsAsJsonCanBeClaimedAndRetriedAndBuried() {
		List<String> payloads = List.of("\"\\u0000\"", "\"\\ud800\"", "  {\"a\" :1, \"a\":2}\n", "1e400", "null",
				"[" + "[".repeat(500) + "]".repeat(500) + "]", "\"'; DROP TABLE message; --\"");
		long[] ids = this.engine.log.send(this.engine.queue.name(), payloads,
				Collections.nCopies(payloads.size(), null));
		assertThat(this.engine.claim(100).messages()).extracting(ClaimedMessage::payload).isEqualTo(payloads);
		long lease = this.engine.lastLease();
		this.engine.leases.retry(this.engine.worker,
				TestEngine.list(ids).stream().map((id) -> TestEngine.failure(lease, id, 0, true)).toList());
		assertThat(this.engine.claim(100).messages()).extracting(ClaimedMessage::payload)
			.containsExactlyInAnyOrderElementsOf(payloads);
		long second = this.engine.lastLease();
		assertThat(this.engine.leases.bury(this.engine.worker,
				TestEngine.list(ids).stream().map((id) -> TestEngine.failure(second, id, 0, true)).toList()))
			.isEmpty();
		assertThat(this.engine.deadLetters(100)).hasSize(payloads.size());
	}

	@Test
	void whatIsNotJsonIsRefused() {
		assertThatExceptionOfType(RuntimeException.class)
			.isThrownBy(
					() -> this.engine.log.send(this.engine.queue.name(), List.of("{"), Arrays.asList((String) null)))
			.withStackTraceContaining("json");
		assertThat(this.engine.drain()).isEmpty();
	}

	@Test
	void aUserWhoMayOnlyReadAndWriteCanDoEverythingThatAnApplicationDoes() {
		TestUser user = this.database.createUser();
		this.database.grantUse(user, TestDatabase.SCHEMA);
		TestEngine restricted = TestEngine.of(this.database, this.database.pool(user));
		long[] ids = restricted.send(4);
		restricted.claim(10);
		long lease = restricted.lastLease();
		restricted.leases.settle(restricted.worker, List.of(), List.of(new Leases.Held(lease, ids[0])), List.of());
		restricted.leases.retry(restricted.worker, List.of(TestEngine.failure(lease, ids[1], 0, true)));
		restricted.leases.bury(restricted.worker, List.of(TestEngine.failure(lease, ids[2], 0, true)));
		try (Workers workers = new Workers(this.database.directDataSource(user), TestDatabase.SCHEMA,
				Duration.ofMinutes(1))) {
			long worker = workers.register("restricted");
			assertThat(workers.beat(worker)).isTrue();
			assertThat(workers.reconcile(restricted.worker, 1, lease, new long[0])).isOne();
			workers.signOff(restricted.worker);
			assertThat(workers.recover(restricted.worker)).isZero();
			assertThat(TestEngine.holders(workers, worker)).extracting(Workers.Holder::worker)
				.doesNotContain(restricted.worker);
		}
		assertThat(restricted.retried()).containsExactly(ids[1], ids[3]);
		assertThat(restricted.deadLetters(10)).hasSize(1);
	}

	@Test
	void everythingWorksInASchemaWhoseNameNeedsQuoting() {
		TestEngine quoted = TestEngine.in(this.database, "My-Queue 1");
		long[] ids = quoted.send(3);
		quoted.claim(10);
		long lease = quoted.lastLease();
		quoted.leases.retry(quoted.worker, List.of(TestEngine.failure(lease, ids[0], 0, true)));
		quoted.leases.bury(quoted.worker, List.of(TestEngine.failure(lease, ids[1], 0, true)));
		assertThat(quoted.leases.settle(quoted.worker, List.of(), List.of(new Leases.Held(lease, ids[2])), List.of()))
			.isEmpty();
		assertThat(quoted.drain()).containsExactly(ids[0]);
		try (Workers workers = quoted.workers()) {
			workers.signOff(quoted.worker);
			assertThat(workers.recover(quoted.worker)).isOne();
		}
	}

}
