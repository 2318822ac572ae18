package io.pgqueue.client;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import io.pgqueue.Cancellation;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a worker has in hand is given up where that is still possible.
 */
@PgQueueDatabase
class CancelRunningIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final QueueTemplate queues;

	private final String queue;

	private final List<Object> begun = new CopyOnWriteArrayList<>();

	private final List<Object> interrupted = new CopyOnWriteArrayList<>();

	private final CountDownLatch gate = new CountDownLatch(1);

	CancelRunningIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.builder(database).timeout(Duration.ofSeconds(10)).build();
		this.queues = this.application.queues();
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.gate.countDown();
		this.application.close();
	}

	@Test
	void aHandlerAtWorkIsInterruptedAndItsMessageIsNotDeliveredAgain() {
		listen(TestApplication.options(this.queue).build());
		long id = this.queues.send(this.queue, "in hand").id();
		awaitBegun("in hand");
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		Await.until("the handler is interrupted", () -> this.interrupted.equals(List.of("in hand")));
		assertThatOnlyAMarkerComesAfterwards();
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.UNKNOWN);
	}

	@Test
	void aMessageThatNoHandlerHasBegunWithIsDropped() {
		listen(TestApplication.options(this.queue).build());
		this.queues.sendAll(this.queue, List.of("first", "second", "third"));
		awaitBegun("first");
		long second = idOf("second");
		Await.until("it is claimed", () -> this.queues.cancel(this.queue, second) != Cancellation.CANCELLED);
		this.gate.countDown();
		Await.until("the others are handled", () -> this.begun.contains("third"));
		Await.until("nothing is in hand", this::isNothingInHand);
		assertThat(this.begun).doesNotContain("second");
	}

	@Test
	void aHandlerOfAnotherProcessIsInterruptedWithItsNextSignOfLife() {
		listen(TestApplication.options(this.queue).build());
		long id = this.queues.send(this.queue, "in hand").id();
		awaitBegun("in hand");
		try (TestApplication other = TestApplication.on(this.database)) {
			assertThat(other.queues().cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		}
		Await.until("the handler is interrupted", () -> this.interrupted.equals(List.of("in hand")));
		assertThatOnlyAMarkerComesAfterwards();
	}

	@Test
	void whatFailsBeforeItsProcessHasLookedIsNotDeliveredAgain() {
		try (TestApplication slow = TestApplication.builder(this.database).timeout(Duration.ofMinutes(10)).build()) {
			slow.handle(TestApplication.options(this.queue).build(), (message) -> {
				this.begun.add(message.payload());
				if (message.payload().equals("in hand")) {
					this.gate.await();
					throw new IllegalStateException("too late");
				}
			}).start();
			long id = this.queues.send(this.queue, "in hand").id();
			awaitBegun("in hand");
			assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
			this.gate.countDown();
			assertThatOnlyAMarkerComesAfterwards();
		}
	}

	@Test
	void whatADeadProcessHadInHandIsNotDeliveredAgain() {
		long worker = this.database.jdbc().sql("SELECT pgqueue.register_worker('dead')").query(Long.class).single();
		long id = this.queues.send(this.queue, "in hand").id();
		this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id "
					+ "CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, s.id, 10, 1000, '-infinity') WHERE q.name = ?")
			.params(worker, this.queue)
			.query(Long.class)
			.single();
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		this.database.jdbc().sql("SELECT pgqueue.sign_off(?)").param(worker).query().listOfRows();
		listen(TestApplication.options(this.queue).build());
		Await.until("nothing is in hand", this::isNothingInHand);
		this.gate.countDown();
		assertThatOnlyAMarkerComesAfterwards();
		assertThat(this.begun).containsExactly("marker");
	}

	@Test
	void aTransactionThatRollsBackHasAskedNobody() throws InterruptedException {
		listen(TestApplication.options(this.queue).build());
		long id = this.queues.send(this.queue, "in hand").id();
		awaitBegun("in hand");
		new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()))
			.executeWithoutResult((status) -> {
				assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
				status.setRollbackOnly();
			});
		// As if there were a request: the worker looks, and finds none.
		assertThat(this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.cancel_request WHERE id = ?")
			.param(id)
			.query(Long.class)
			.single()).isZero();
		assertThat(this.gate.await(1500, TimeUnit.MILLISECONDS)).isFalse();
		this.gate.countDown();
		Await.until("it is handled", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.interrupted).isEmpty();
	}

	@Test
	void ofABatchOnlyWhatWasNotBegunIsDropped() {
		this.application.handleBatches(TestApplication.options(this.queue).batchSize(10).build(), (messages) -> {
			messages.forEach((message) -> this.begun.add(message.payload()));
			try {
				this.gate.await();
			}
			catch (InterruptedException ex) {
				this.interrupted.add("batch");
			}
		}).start();
		long id = this.queues.send(this.queue, "in hand").id();
		awaitBegun("in hand");
		assertThat(this.queues.cancel(this.queue, id)).isEqualTo(Cancellation.CLAIMED);
		Await.until("the request was seen",
				() -> this.database.jdbc()
					.sql("SELECT count(*) FROM pgqueue.cancel_request WHERE id = ?")
					.param(id)
					.query(Long.class)
					.single() == 0);
		this.gate.countDown();
		Await.until("nothing is in hand", this::isNothingInHand);
	}

	private void listen(ContainerOptions options) {
		this.application.handle(options, (message) -> {
			this.begun.add(message.payload());
			try {
				this.gate.await();
			}
			catch (InterruptedException ex) {
				this.interrupted.add(message.payload());
				throw ex;
			}
		}).start();
	}

	private void awaitBegun(String payload) {
		Await.until("it is being handled", () -> this.begun.contains(payload));
	}

	private void assertThatOnlyAMarkerComesAfterwards() {
		this.gate.countDown();
		this.queues.send(this.queue, "marker");
		awaitBegun("marker");
		Await.until("nothing is in hand", this::isNothingInHand);
		assertThat(this.begun.stream().filter("in hand"::equals).count()).isLessThanOrEqualTo(1);
		assertThat(this.database.jdbc().sql("SELECT count(*) FROM pgqueue.retry").query(Long.class).single()).isZero();
	}

	private boolean isNothingInHand() {
		return this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry) = 0")
			.query(Boolean.class)
			.single();
	}

	private long idOf(String payload) {
		return this.database.jdbc()
			.sql("SELECT max(id) FROM pgqueue.message WHERE payload::text = '\"' || ? || '\"'")
			.param(payload)
			.query(Long.class)
			.single();
	}

}
