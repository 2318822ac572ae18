package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import io.pgqueue.AckMode;
import io.pgqueue.Acknowledgement;
import io.pgqueue.BatchFailedException;
import io.pgqueue.BatchResult;
import io.pgqueue.HandlerTimeoutException;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.LeaseLostException;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.format.datetime.standard.DurationFormatterUtils;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

@PgQueueDatabase
class AckModesIntegrationTests {

	private final TestDatabase database;

	private final Queue<QueueMessage<String>> seen = new ConcurrentLinkedQueue<>();

	private final Queue<Acknowledgement> acknowledgements = new ConcurrentLinkedQueue<>();

	private TestApplication application;

	private String queue;

	AckModesIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE manual_effect (message bigint)").update();
	}

	@BeforeEach
	void start() {
		this.application = TestApplication.on(this.database);
		this.queue = this.application.declareQueue();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@Test
	void aManualDeliveryStaysUntilItIsAcknowledged() {
		manual(keep(), "3s");
		send(1);
		Await.until("it was handled", () -> this.acknowledgements.size() == 1);
		assertThat(leases()).isOne();
		this.acknowledgements.element().acknowledge();
		Await.until("it is gone", () -> leases() == 0);
		assertThat(this.application.events().completed(this.queue)).isOne();
		assertThatIllegalStateException().isThrownBy(() -> this.acknowledgements.element().acknowledge())
			.withMessageContaining("settled before");
		assertThatIllegalStateException().isThrownBy(() -> this.acknowledgements.element().release(Duration.ZERO));
	}

	@Test
	void aReleasedDeliveryComesBackAndSpendsNoAttempt() {
		manual((message, ack) -> {
			if (this.seen.size() < 10) {
				ack.release(Duration.ZERO);
			}
			else {
				ack.acknowledge();
			}
		}, "3s");
		send(1);
		Await.until("it is done", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.seen).hasSize(10).allMatch((message) -> message.attempt() == 1);
	}

	@Test
	void withRoomForOneMessageNewOnesTakeTurnsWithThoseThatComeBack() {
		manual((message, ack) -> {
			if (message.payload().equals("new")) {
				ack.acknowledge();
				return;
			}
			// So long that nothing is claimed ahead.
			LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(150));
			ack.release(Duration.ZERO);
		}, "1m");
		send(3);
		Await.until("all three come back again and again", () -> this.seen.size() > 6);
		this.application.queues().send(this.queue, "new");
		Await.until("the new one has its turn", () -> this.application.events().completed(this.queue) == 1);
	}

	@Test
	void aRejectedDeliveryIsADeadLetterAtOnce() {
		manual((message, ack) -> ack.reject("not for us"), "3s");
		send(1);
		Await.until("it is dead", () -> this.application.events().deadLettered(this.queue) == 1);
		assertThat(this.seen).hasSize(1);
	}

	@Test
	void whatNobodySettlesInTimeFails() {
		manual(keep(), "300ms");
		send(1);
		Await.until("it came again", () -> this.seen.size() == 2);
		assertThat(this.application.events().failures()).first().isInstanceOf(HandlerTimeoutException.class);
		assertThatIllegalStateException().isThrownBy(() -> this.acknowledgements.element().acknowledge());
	}

	@Test
	void extendedDeliveriesHaveMoreTime() throws InterruptedException {
		CompletableFuture<Void> extended = new CompletableFuture<>();
		manual((message, ack) -> {
			ack.extend(Duration.ofMinutes(1));
			this.acknowledgements.add(ack);
			extended.complete(null);
		}, "200ms");
		send(1);
		extended.join();
		TimeUnit.MILLISECONDS.sleep(600);
		this.acknowledgements.element().acknowledge();
		Await.until("it is done", () -> this.application.events().completed(this.queue) == 1);
		assertThat(this.seen).hasSize(1);
	}

	@Test
	void noMoreDeliveriesAreOpenThanConcurrencyAllows() {
		this.application.listen(options(AckMode.MANUAL, "1m").concurrency(3).build(), manualHandler(keep()));
		send(50);
		Await.until("three are open", () -> this.acknowledgements.size() == 3);
		assertThat(openAfterAWhile()).isEqualTo(3);
		for (int i = 0; i < 70; i++) {
			Await.until("another is open", () -> !this.acknowledgements.isEmpty());
			this.acknowledgements.remove().acknowledge();
		}
		Await.until("all are done", () -> this.application.events().completed(this.queue) == 70);
	}

	@Test
	void anAcknowledgementInATransactionCommitsWithIt() {
		manual(keep(), "1m");
		send(2);
		Await.until("both are open", () -> this.acknowledgements.size() >= 1);
		TransactionTemplate transactions = new TransactionTemplate(
				new JdbcTransactionManager(this.application.pooled()));
		JdbcClient jdbc = JdbcClient.create(this.application.pooled());
		transactions.executeWithoutResult((status) -> {
			jdbc.sql("INSERT INTO manual_effect VALUES (1)").update();
			this.acknowledgements.element().acknowledge();
			status.setRollbackOnly();
		});
		assertThat(this.application.events().completed(this.queue)).isZero();
		transactions.executeWithoutResult((status) -> {
			jdbc.sql("INSERT INTO manual_effect VALUES (2)").update();
			this.acknowledgements.element().acknowledge();
		});
		assertThat(this.application.events().completed(this.queue)).isOne();
		Await.until("the next is open", () -> this.acknowledgements.size() == 2);
		this.acknowledgements.remove();
		this.database.jdbc().sql("DELETE FROM pgqueue.lease").update();
		assertThatExceptionOfType(LeaseLostException.class)
			.isThrownBy(() -> transactions.executeWithoutResult((status) -> {
				jdbc.sql("INSERT INTO manual_effect VALUES (3)").update();
				this.acknowledgements.element().acknowledge();
			}));
		assertThat(jdbc.sql("SELECT message FROM manual_effect").query(Integer.class).list()).containsExactly(2);
	}

	@Test
	void aStopGivesBackWhatIsStillOpen() {
		this.application.listen(
				options(AckMode.MANUAL, "1m").concurrency(3).shutdownTimeout(Duration.ofMillis(100)).build(),
				manualHandler(keep()));
		send(3);
		Await.until("three are open", () -> this.acknowledgements.size() == 3);
		this.application.close();
		assertThat(leases()).isZero();
		assertThat(this.database.jdbc()
			.sql("SELECT attempts FROM pgqueue.retry r JOIN pgqueue.queue q ON q.id = r.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.list()).containsExactly(0, 0, 0);
	}

	@Test
	void acknowledgementArgumentAndModeGoTogether() {
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(
					() -> this.application.listen(TestApplication.options(this.queue).build(), manualHandler(keep())))
			.withMessageContaining("MANUAL");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.application.handle(options(AckMode.MANUAL, "1m").build(), (message) -> {
			}))
			.withMessageContaining("no Acknowledgement");
	}

	@Test
	void onReceiveNothingComesTwice() {
		AtomicInteger leasesDuring = new AtomicInteger();
		this.application.handle(options(AckMode.ON_RECEIVE, "1m").build(), (message) -> {
			this.seen.add(message);
			leasesDuring.addAndGet(held(message.id()));
			throw new IllegalStateException("too late");
		}).start();
		send(20);
		Await.until("all have failed", () -> this.application.events().failed(this.queue) == 20);
		assertThat(this.seen).hasSize(20);
		assertThat(leasesDuring).as("leases while handlers ran").hasValue(0);
		assertThat(leases()).isZero();
		assertThat(this.application.events().deadLettered(this.queue)).isZero();
		assertThat(this.application.events().completed(this.queue)).isZero();
	}

	@Test
	void aBatchResultLeavesOnlyTheFailedMessagesBehind() {
		AtomicInteger calls = new AtomicInteger();
		this.application.queues().sendAll(this.queue, payloads(10));
		this.application.listen(TestApplication.options(this.queue).build(), new ResultHandler() {

			@Override
			public BatchResult on(List<QueueMessage<String>> messages) {
				AckModesIntegrationTests.this.seen.addAll(messages);
				return (calls.getAndIncrement() > 0) ? BatchResult.SUCCESS
						: BatchResult.SUCCESS.withFailure(messages.get(3).id(), new IllegalStateException("later"));
			}

		}).start();
		Await.until("all are done", () -> this.application.events().completed(this.queue) == 10);
		assertThat(this.seen).hasSize(11);
		assertThat(this.seen).filteredOn((message) -> message.attempt() == 2)
			.singleElement()
			.extracting(QueueMessage::payload)
			.isEqualTo("3");
	}

	@Test
	void anExceptionThatNamesFailedMessagesLeavesTheOthersAcknowledged() {
		this.application.queues().sendAll(this.queue, payloads(10));
		this.application.listen(TestApplication.options(this.queue).build(), new ResultHandler() {

			@Override
			public BatchResult on(List<QueueMessage<String>> messages) {
				AckModesIntegrationTests.this.seen.addAll(messages);
				if (messages.size() == 10) {
					throw new BatchFailedException(Map.of(messages.get(3).id(), new IllegalStateException("later")));
				}
				return BatchResult.SUCCESS;
			}

		}).start();
		Await.until("all are done", () -> this.application.events().completed(this.queue) == 10);
		assertThat(this.seen).hasSize(11);
	}

	private int openAfterAWhile() {
		for (int i = 0; i < 20; i++) {
			this.application.queues().send(this.queue, "more");
			this.database.jdbc().sql("SELECT pg_sleep(0.01)").query().singleValue();
		}
		this.database.jdbc().sql("SELECT 1").query(Integer.class).single();
		return this.acknowledgements.size();
	}

	private void manual(ManualHandler handler, String timeout) {
		this.application.listen(options(AckMode.MANUAL, timeout).build(), manualHandler(handler));
	}

	private ManualHandler keep() {
		return (message, ack) -> this.acknowledgements.add(ack);
	}

	private ManualHandler manualHandler(ManualHandler handler) {
		return new ManualHandler() {

			@Override
			public void on(QueueMessage<String> message, Acknowledgement acknowledgement) {
				AckModesIntegrationTests.this.seen.add(message);
				handler.on(message, acknowledgement);
			}

		};
	}

	private ContainerOptions.Builder options(AckMode mode, String timeout) {
		return TestApplication.options(this.queue)
			.ackMode(mode)
			.timeout(DurationFormatterUtils.detectAndParse(timeout));
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, payloads(count));
		this.application.start();
	}

	private static List<String> payloads(int count) {
		return IntStream.range(0, count).mapToObj(String::valueOf).toList();
	}

	private int leases() {
		return this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry WHERE n IS NOT NULL)")
			.query(Integer.class)
			.single();
	}

	private int held(long id) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.lease WHERE ? = ANY (ids)")
			.param(id)
			.query(Integer.class)
			.single();
	}

	/**
	 * A handler that decides itself.
	 */
	interface ManualHandler {

		void on(QueueMessage<String> message, Acknowledgement acknowledgement);

	}

	/**
	 * A batch handler that tells which messages failed.
	 */
	interface ResultHandler {

		BatchResult on(List<QueueMessage<String>> messages);

	}

}
