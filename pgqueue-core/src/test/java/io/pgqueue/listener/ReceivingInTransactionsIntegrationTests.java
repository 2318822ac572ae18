package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

import io.pgqueue.LeaseLostException;
import io.pgqueue.QueueMessage;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.dao.ConcurrencyFailureException;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.IllegalTransactionStateException;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.TransactionStatus;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * What a receiver does inside the transactions of the application.
 */
@PgQueueDatabase
class ReceivingInTransactionsIntegrationTests {

	private static final Duration LONG = Duration.ofMinutes(5);

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final RecordedEvents events = new RecordedEvents();

	private final QueueReceiver receiver;

	private final JdbcClient jdbc;

	ReceivingInTransactionsIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
		this.receiver = QueueReceiver.builder(database.dataSource()).events(this.events).build();
		this.jdbc = JdbcClient.create(database.dataSource());
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE effect (message bigint)").update();
	}

	@BeforeEach
	void clear() {
		this.database.jdbc().sql("TRUNCATE effect").update();
	}

	@Test
	void anAcknowledgementCommitsWithTheTransaction() {
		ReceivedMessage<String> received = sendAndReceive();
		inTransaction((status) -> {
			effect(received.message());
			this.receiver.acknowledge(received.receipt());
			assertThat(this.events.completed(this.queue)).as("before the commit").isZero();
			assertThat(leases()).as("as others see it").isOne();
		});
		assertThat(leases()).isZero();
		assertThat(effects()).isOne();
		assertThat(this.events.completed(this.queue)).isOne();
	}

	@Test
	void anAcknowledgementIsUndoneWithTheTransactionAndTheMessageStaysHeld() {
		ReceivedMessage<String> received = sendAndReceive();
		inTransaction((status) -> {
			effect(received.message());
			this.receiver.acknowledge(received.receipt());
			status.setRollbackOnly();
		});
		assertThat(effects()).isZero();
		assertThat(this.events.completed(this.queue)).isZero();
		this.receiver.acknowledge(received.receipt());
	}

	@Test
	void aLostLeaseRollsTheTransactionBack() {
		ReceivedMessage<String> received = sendAndReceive();
		expire();
		assertThat(receive()).hasSize(1);
		assertThatExceptionOfType(LeaseLostException.class).isThrownBy(() -> inTransaction((status) -> {
			effect(received.message());
			this.receiver.acknowledge(received.receipt());
		}));
		assertThat(effects()).isZero();
		assertThat(leases()).as("the second delivery").isOne();
	}

	@Test
	void whatATransactionHasAcknowledgedIsNotGivenBackWhileItIsOpenAndAgainWhenItRollsBack() {
		ReceivedMessage<String> received = sendAndReceive();
		inTransaction((status) -> {
			this.receiver.acknowledge(received.receipt());
			expire();
			assertThat(receive()).isEmpty();
			status.setRollbackOnly();
		});
		expire();
		assertThat(receive()).singleElement().extracting((one) -> one.message().attempt()).isEqualTo(2);
	}

	@Test
	void whoeverHasAcknowledgedCannotDoAnythingElseInTheSameTransactionAndIsToldAtOnce() {
		ReceivedMessage<String> received = sendAndReceive();
		long started = System.nanoTime();
		inTransaction((status) -> {
			this.receiver.acknowledge(received.receipt());
			assertThatExceptionOfType(LeaseLostException.class)
				.isThrownBy(() -> this.receiver.extend(received.receipt(), LONG));
			assertThatExceptionOfType(LeaseLostException.class)
				.isThrownBy(() -> this.receiver.release(received.receipt(), Duration.ZERO));
			assertThatExceptionOfType(LeaseLostException.class)
				.isThrownBy(() -> this.receiver.reject(received.receipt(), "no"));
		});
		assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(20));
		assertThat(leases()).isZero();
	}

	@ParameterizedTest
	@ValueSource(
			ints = { TransactionDefinition.ISOLATION_REPEATABLE_READ, TransactionDefinition.ISOLATION_SERIALIZABLE })
	void aTransactionWithAnOldSnapshotStillAcknowledgesWhatWasExtendedInTheMeantime(int isolation) {
		ReceivedMessage<String> received = sendAndReceive();
		ReceivedMessage<String> again = redeliver(sendAndReceive());
		transaction(isolation).executeWithoutResult((status) -> {
			effect(received.message());
			this.receiver.extend(received.receipt(), LONG);
			this.receiver.extend(again.receipt(), LONG);
			this.receiver.acknowledge(List.of(received.receipt(), again.receipt()));
		});
		assertThat(leases()).isZero();
		assertThat(effects()).isOne();
	}

	@Test
	void aTransactionWithAnOldSnapshotCannotAcknowledgeWhatWasGivenBack() {
		ReceivedMessage<String> received = sendAndReceive();
		assertThatExceptionOfType(ConcurrencyFailureException.class).isThrownBy(
				() -> transaction(TransactionDefinition.ISOLATION_REPEATABLE_READ).executeWithoutResult((status) -> {
					effect(received.message());
					expire();
					assertThat(receive()).hasSize(1);
					this.receiver.acknowledge(received.receipt());
				}));
		assertThat(effects()).isZero();
	}

	@Test
	void aReceiveCommitsByItselfWhateverBecomesOfTheTransaction() {
		this.application.queues().send(this.queue, "x");
		inTransaction((status) -> {
			assertThat(receive()).hasSize(1);
			status.setRollbackOnly();
		});
		assertThat(receive()).isEmpty();
	}

	@Test
	void whatIsReceivedAndDeletedIsDeletedWithTheCommit() {
		this.application.queues().sendAll(this.queue, List.of("a", "b", "c"));
		inTransaction((status) -> {
			List<QueueMessage<String>> received = this.receiver.receiveAndDelete(this.queue, String.class, 2);
			assertThat(received).extracting(QueueMessage::payload).containsExactly("a", "b");
			received.forEach(this::effect);
			assertThat(leases()).as("as others see it").isEqualTo(2);
		});
		assertThat(leases()).isZero();
		assertThat(effects()).isEqualTo(2);
		assertThat(this.events.completed(this.queue)).isEqualTo(2);
		assertThat(receive()).singleElement().extracting((one) -> one.message().payload()).isEqualTo("c");
	}

	@Test
	void whatIsReceivedAndDeletedComesAgainAtOnceAfterARollbackAndTheDeliveryCounts() {
		this.application.queues().sendAll(this.queue, List.of("a", "b"));
		assertThatIllegalStateException().isThrownBy(() -> inTransaction((status) -> {
			assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 2)).hasSize(2);
			throw new IllegalStateException("handling it failed");
		}));
		assertThat(this.events.completed(this.queue)).isZero();
		assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 2)).extracting(QueueMessage::attempt)
			.containsExactly(2, 2);
	}

	@Test
	void aMessageThatRollsEveryTransactionBackEndsAsADeadLetter() {
		this.application.queues().send(this.queue, "poison");
		for (int attempt = 1; attempt <= 5; attempt++) {
			inTransaction((status) -> {
				assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 1)).hasSize(1);
				status.setRollbackOnly();
			});
		}
		assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 1)).isEmpty();
		assertThat(this.application.admin().deadLetters(this.queue, 10)).singleElement()
			.satisfies((letter) -> assertThat(letter.attempts()).isEqualTo(5));
	}

	@Test
	void aTransactionWithAnOldSnapshotCannotReceiveAndDeleteAndNothingIsLostOrCounted() {
		this.application.queues().send(this.queue, "x");
		assertThatExceptionOfType(LeaseLostException.class).isThrownBy(
				() -> transaction(TransactionDefinition.ISOLATION_REPEATABLE_READ).executeWithoutResult((status) -> {
					this.jdbc.sql("SELECT 1").query(Integer.class).single();
					this.receiver.receiveAndDelete(this.queue, String.class, 1);
				}))
			.withMessageContaining("A transaction above READ COMMITTED must begin after");
		assertThat(receive()).singleElement().extracting((one) -> one.message().attempt()).isEqualTo(1);
	}

	@Test
	void aReadOnlyTransactionReceivesAndDeletesNothing() {
		this.application.queues().send(this.queue, "x");
		TransactionTemplate readOnly = transaction(TransactionDefinition.ISOLATION_DEFAULT);
		readOnly.setReadOnly(true);
		assertThatExceptionOfType(IllegalTransactionStateException.class)
			.isThrownBy(() -> readOnly
				.executeWithoutResult((status) -> this.receiver.receiveAndDelete(this.queue, String.class, 1)))
			.withMessageContaining("read-only");
		assertThat(receive()).singleElement().extracting((one) -> one.message().attempt()).isEqualTo(1);
	}

	@Test
	void onADatabaseThatIsSerializableByDefaultEverythingWorks() {
		TransactionTemplate serializable = transaction(TransactionDefinition.ISOLATION_DEFAULT);
		QueueReceiver strict = QueueReceiver
			.builder(this.database
				.pool((config) -> config.setConnectionInitSql("SET default_transaction_isolation = 'serializable'")))
			.build();
		this.application.queues().sendAll(this.queue, List.of("a", "b", "c"));
		List<ReceivedMessage<String>> received = strict.receive(this.queue, String.class, 3, LONG);
		strict.extend(received.get(0).receipt(), LONG);
		strict.acknowledge(received.get(0).receipt());
		strict.release(received.get(1).receipt(), Duration.ZERO);
		strict.reject(received.get(2).receipt(), "no");
		serializable.executeWithoutResult((status) -> assertThat(receive()).hasSize(1));
	}

	private ReceivedMessage<String> sendAndReceive() {
		this.application.queues().send(this.queue, "x");
		return receive().get(0);
	}

	private ReceivedMessage<String> redeliver(ReceivedMessage<String> received) {
		this.receiver.release(received.receipt(), Duration.ZERO);
		return receive().get(0);
	}

	private List<ReceivedMessage<String>> receive() {
		return this.receiver.receive(this.queue, String.class, 10, LONG);
	}

	private void inTransaction(Consumer<TransactionStatus> action) {
		transaction(TransactionDefinition.ISOLATION_DEFAULT).executeWithoutResult(action);
	}

	private TransactionTemplate transaction(int isolation) {
		TransactionTemplate template = new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()));
		template.setIsolationLevel(isolation);
		return template;
	}

	private void effect(QueueMessage<?> message) {
		this.jdbc.sql("INSERT INTO effect VALUES (?)").param(message.id()).update();
	}

	private int effects() {
		return this.database.jdbc().sql("SELECT count(*) FROM effect").query(Integer.class).single();
	}

	private int leases() {
		Map<String, Object> counts = this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease l WHERE l.queue_id = q.id) AS leases, "
					+ "(SELECT count(*) FROM pgqueue.retry r WHERE r.queue_id = q.id) AS retries "
					+ "FROM pgqueue.queue q WHERE q.name = ?")
			.param(this.queue)
			.query()
			.singleRow();
		return ((Number) counts.get("leases")).intValue() + ((Number) counts.get("retries")).intValue();
	}

	private void expire() {
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() "
					+ "WHERE subscription_id = (SELECT s.id FROM pgqueue.subscription s JOIN pgqueue.queue q "
					+ "ON q.id = s.queue_id WHERE q.name = ?)")
			.param(this.queue)
			.update();
	}

}
