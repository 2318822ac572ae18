package io.pgqueue.client;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;

import io.pgqueue.Cancellation;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.SendOptions;
import io.pgqueue.SendRejectedException;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * What was cancelled is never handled; what was not cancelled in the end, is.
 */
@PgQueueDatabase
class CancelIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final QueueTemplate queues;

	private final String queue;

	private final TransactionTemplate transactions;

	private final List<Object> handled = new CopyOnWriteArrayList<>();

	CancelIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queues = this.application.queues();
		this.queue = this.application.declareQueue();
		this.transactions = new TransactionTemplate(new JdbcTransactionManager(database.dataSource()));
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	/**
	 * Where a message may wait.
	 */
	enum Place {

		SCHEDULED, LOG, RETRY, SENT_BY_THE_SAME_TRANSACTION

	}

	@ParameterizedTest
	@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "SENT_BY_THE_SAME_TRANSACTION")
	void aMessageThatWaitsIsCancelledWithoutATransaction(Place place) {
		long id = put(place);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CANCELLED);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.UNKNOWN);
		assertNothingIsHandledButAMarker();
	}

	@ParameterizedTest
	@EnumSource
	void aMessageThatWaitsIsCancelledWithTheTransaction(Place place) {
		Long before = (place != Place.SENT_BY_THE_SAME_TRANSACTION) ? put(place) : null;
		this.transactions.executeWithoutResult((status) -> {
			long id = (before != null) ? before : send("cancelled");
			assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CANCELLED);
			assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.UNKNOWN);
		});
		assertNothingIsHandledButAMarker();
	}

	@ParameterizedTest
	@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "SENT_BY_THE_SAME_TRANSACTION")
	void aRollbackBringsTheMessageBack(Place place) {
		long id = put(place);
		this.transactions.executeWithoutResult((status) -> {
			assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CANCELLED);
			status.setRollbackOnly();
		});
		hurry();
		listen();
		Await.until("it is handled", () -> this.handled.equals(List.of("cancelled")));
	}

	@ParameterizedTest
	@EnumSource
	void aRollbackToASavepointBringsTheMessageBack(Place place) {
		Long before = (place != Place.SENT_BY_THE_SAME_TRANSACTION) ? put(place) : null;
		this.transactions.executeWithoutResult((status) -> {
			long id = (before != null) ? before : send("cancelled");
			Object savepoint = status.createSavepoint();
			assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CANCELLED);
			status.rollbackToSavepoint(savepoint);
		});
		hurry();
		listen();
		Await.until("it is handled", () -> this.handled.equals(List.of("cancelled")));
	}

	/**
	 * Nothing but the cancelled message itself waits for the end of the transaction.
	 */
	@ParameterizedTest
	@EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "SENT_BY_THE_SAME_TRANSACTION")
	void untilTheTransactionEndsTheMessageIsNotHandledAndAllOthersAre(Place place) {
		long id = put(place);
		this.transactions.executeWithoutResult((status) -> {
			assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CANCELLED);
			TestApplication elsewhere = TestApplication.on(this.database);
			Thread other = new Thread(() -> elsewhere.queues().send(this.queue, "marker"));
			other.start();
			listen();
			Await.until("the other message is handled", () -> this.handled.equals(List.of("marker")));
		});
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.UNKNOWN);
		assertThat(this.handled).containsExactly("marker");
	}

	@Test
	void aMessageInHandIsNotCancelledAndAHandledOneIsUnknown() {
		CountDownLatch gate = new CountDownLatch(1);
		CountDownLatch started = new CountDownLatch(1);
		this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
			started.countDown();
			gate.await();
		}).start();
		long id = send("in hand");
		Await.until("it is being handled", () -> started.getCount() == 0);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		gate.countDown();
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.UNKNOWN);
	}

	@Test
	void aRedeliveredMessageInHandIsNotCancelled() {
		CountDownLatch gate = new CountDownLatch(1);
		CountDownLatch again = new CountDownLatch(1);
		this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
			if (message.attempt() == 1) {
				throw new IllegalStateException("once");
			}
			again.countDown();
			gate.await();
		}).start();
		long id = send("in hand");
		Await.until("it is being handled again", () -> again.getCount() == 0);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		gate.countDown();
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
	}

	@Test
	void whatNeverWasOrIsInAnotherQueueIsUnknown() {
		long id = send("stays");
		String other = this.application.declareQueue();
		assertThat(this.queues.cancel(other, id)).isEqualTo(Cancellation.UNKNOWN);
		long delayed = send("stays", (options) -> options.delay(Duration.ofHours(1)));
		assertThat(this.queues.cancel(other, delayed)).isEqualTo(Cancellation.UNKNOWN);
		assertThat(this.queues.cancel(this.queue, Long.MAX_VALUE)).isEqualTo(Cancellation.UNKNOWN);
		assertThat(this.queues.cancel(this.queue, -1)).isEqualTo(Cancellation.UNKNOWN);
		assertThat(this.queues.cancel(this.queue, delayed)).isEqualTo(Cancellation.CANCELLED);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CANCELLED);
	}

	@Test
	void queuesThatDoNotExistOrCannotExistAreRefused() {
		assertThatExceptionOfType(UnknownQueueException.class).isThrownBy(() -> this.queues.cancel("nowhere", 1))
			.withMessageContaining("'nowhere'");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.queues.cancel("no queue", 1));
	}

	@Test
	void aReadOnlyTransactionIsRefused() {
		long id = send("stays");
		this.transactions.setReadOnly(true);
		assertThatExceptionOfType(SendRejectedException.class)
			.isThrownBy(() -> this.transactions.executeWithoutResult((status) -> this.queues.cancel(this.queue, id)))
			.withMessageContaining(
					"Cannot cancel message " + id + " of '" + this.queue + "' in a read-only transaction");
	}

	@Test
	void aTransactionThatWouldNotSeeWhatThereIsToCancelIsRefusedAndGoesOn() {
		long id = send("handled");
		this.transactions.setIsolationLevel(TransactionDefinition.ISOLATION_REPEATABLE_READ);
		this.transactions.executeWithoutResult((status) -> {
			assertThatExceptionOfType(SendRejectedException.class).isThrownBy(() -> this.queues.cancel(this.queue, id))
				.withMessageContaining("READ COMMITTED");
			send("sent afterwards");
		});
		listen();
		Await.until("both are handled", () -> this.handled.size() == 2);
	}

	@Test
	void aCancellationJustAfterTheCommitIsCommittedToo() {
		long id = put(Place.SCHEDULED);
		this.transactions.executeWithoutResult(
				(status) -> TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void afterCommit() {
						CancelIntegrationTests.this.queues.cancel(CancelIntegrationTests.this.queue, id);
					}

				}));
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.UNKNOWN);
	}

	@Test
	void whatOneSubscriptionHasInHandAndAnotherHasNotReadIsTakenFromTheOther() {
		CountDownLatch gate = new CountDownLatch(1);
		CountDownLatch started = new CountDownLatch(1);
		int other = this.database.jdbc()
			.sql("SELECT pgqueue.subscribe(id, 'other', true) FROM pgqueue.queue WHERE name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
		this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
			started.countDown();
			gate.await();
		}).start();
		long id = send("in hand of one");
		Await.until("it is being handled", () -> started.getCount() == 0);
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		gate.countDown();
		long worker = registerWorker();
		assertThat(this.database.jdbc()
			.sql("SELECT count(c.id) FROM pgqueue.queue q "
					+ "CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, ?, 10, 1000, '-infinity') c WHERE q.name = ?")
			.params(worker, other, this.queue)
			.query(Long.class)
			.single()).isZero();
	}

	private long registerWorker() {
		return this.database.jdbc().sql("SELECT pgqueue.register_worker('other')").query(Long.class).single();
	}

	private long send(String payload) {
		return this.queues.send(this.queue, payload).id();
	}

	private long send(String payload, Consumer<SendOptions> options) {
		return this.queues.send(this.queue, payload, options).id();
	}

	/**
	 * Sends a message and lets it get as far as it is to wait.
	 */
	private long put(Place place) {
		if (place == Place.SCHEDULED) {
			return send("cancelled", (options) -> options.delay(Duration.ofHours(1)));
		}
		long id = send("cancelled");
		if (place == Place.RETRY) {
			// A process that stops hands back what it has not started.
			long worker = registerWorker();
			this.database.jdbc()
				.sql("SELECT count(*) FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id "
						+ "CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, s.id, 10, 1000, '-infinity') WHERE q.name = ?")
				.params(worker, this.queue)
				.query(Long.class)
				.single();
			this.database.jdbc()
				.sql("SELECT pgqueue.reconcile(?, 1, 1, '{}')")
				.param(worker)
				.query(Integer.class)
				.single();
			assertThat(this.database.jdbc()
				.sql("SELECT count(*) FROM pgqueue.retry WHERE id = ?")
				.param(id)
				.query(Integer.class)
				.single()).isOne();
		}
		return id;
	}

	/**
	 * As if the time had passed that a message waits for.
	 */
	private void hurry() {
		this.database.jdbc().sql("UPDATE pgqueue.scheduled SET due_at = clock_timestamp()").update();
		this.database.jdbc().sql("UPDATE pgqueue.retry SET due_at = clock_timestamp()").update();
	}

	private void listen() {
		ContainerOptions options = TestApplication.options(this.queue).build();
		this.application.handle(options, (message) -> this.handled.add(message.payload())).start();
	}

	private void assertNothingIsHandledButAMarker() {
		hurry();
		send("marker");
		listen();
		Await.until("the marker is handled", () -> !this.handled.isEmpty());
		Await.until("nothing waits any more",
				() -> this.database.jdbc()
					.sql("SELECT (SELECT count(*) FROM pgqueue.scheduled) + (SELECT count(*) FROM pgqueue.retry) = 0")
					.query(Boolean.class)
					.single());
		assertThat(this.handled).containsExactly("marker");
	}

}
