package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.LeaseLostException;
import io.pgqueue.QueueMessage;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.core.ParameterizedTypeReference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Receiving on demand, in an application without listeners unless a test adds one.
 */
@PgQueueDatabase
class QueueReceiverIntegrationTests {

	private static final Duration LONG = Duration.ofMinutes(5);

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final RecordedEvents events = new RecordedEvents();

	private final QueueReceiver receiver;

	QueueReceiverIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
		this.receiver = QueueReceiver.builder(database.dataSource()).events(this.events).maxAttempts(3).build();
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
	void anEmptyQueueGivesAnEmptyListAtOnceAndWritesNothing() {
		assertThat(receive(10)).isEmpty();
		ObservedDataSource observed = new ObservedDataSource(this.database.dataSource());
		QueueReceiver idle = QueueReceiver.builder(observed).build();
		idle.receive(this.queue, String.class, 10, LONG);
		Await.until("a span of ten receives passes without a transaction id", () -> {
			long before = nextTransactionId();
			IntStream.range(0, 10).forEach((i) -> idle.receive(this.queue, String.class, 10, LONG));
			return nextTransactionId() == before;
		});
		assertThat(observed.count("return_overdue(")).isZero();
		assertThat(observed.count("register_receiver(")).isOne();
	}

	@Test
	void messagesComeWithEverythingTheSenderGaveAndInOrder() {
		long first = this.application.queues()
			.send(this.queue, new Order("a", 1), (options) -> options.header("tenant", "acme"))
			.id();
		long second = this.application.queues().send(this.queue, new Order("b", 2)).id();
		List<ReceivedMessage<Order>> received = this.receiver.receive(this.queue, Order.class, 10, LONG);
		assertThat(received).extracting((one) -> one.message().id()).containsExactly(first, second);
		QueueMessage<Order> message = received.get(0).message();
		assertThat(message.payload()).isEqualTo(new Order("a", 1));
		assertThat(message.headers()).isEqualTo(Map.of("tenant", "acme"));
		assertThat(message.attempt()).isOne();
		assertThat(message.queue()).isEqualTo(this.queue);
		assertThat(message.enqueuedAt()).isBeforeOrEqualTo(received.get(1).message().enqueuedAt());
	}

	@Test
	void genericTypesAndBytesAndTextAreRead() {
		this.application.queues().send(this.queue, List.of(new Order("a", 1)));
		assertThat(this.receiver.receive(this.queue, new ParameterizedTypeReference<List<Order>>() {
		}, 1, LONG).get(0).message().payload()).containsExactly(new Order("a", 1));
		this.application.queues().send(this.queue, new byte[] { 1, 2 });
		assertThat(this.receiver.receive(this.queue, byte[].class, 1, LONG).get(0).message().payload()).containsExactly(1,
				2);
		this.application.queues().send(this.queue, "text");
		assertThat(this.receiver.receiveAndDelete(this.queue, new ParameterizedTypeReference<String>() {
		}, 1).get(0).payload()).isEqualTo("text");
	}

	@Test
	void noMoreComeThanWereAskedForAndNoneTwice() {
		send(5);
		assertThat(receive(2)).hasSize(2);
		assertThat(receive(2)).hasSize(2);
		assertThat(receive(2)).hasSize(1);
		assertThat(receive(2)).isEmpty();
	}

	@Test
	void whatIsAcknowledgedIsGoneForGood() {
		send(3);
		List<ReceivedMessage<String>> received = receive(3);
		this.receiver.acknowledge(received.get(0).receipt());
		this.receiver.acknowledge(received.stream().skip(1).map(ReceivedMessage::receipt).toList());
		assertThat(this.events.completed(this.queue)).isEqualTo(3);
		expire();
		assertThat(receive(3)).isEmpty();
		assertThat(held()).isZero();
		assertThat(pulls()).as("rows that say how long something is held").isZero();
	}

	@Test
	void afterTheVisibilityTimeoutAMessageComesAgainAsTheSecondAttempt() {
		send(1);
		long started = System.nanoTime();
		assertThat(receive(1, Duration.ofSeconds(1)).get(0).message().attempt()).isOne();
		List<ReceivedMessage<String>> again = new ArrayList<>();
		Await.until("it comes again", () -> again.addAll(receive(1)));
		assertThat(Duration.ofNanos(System.nanoTime() - started)).isBetween(Duration.ofMillis(990),
				Duration.ofSeconds(15));
		assertThat(again.get(0).message().attempt()).isEqualTo(2);
	}

	@Test
	void aRedeliveredMessageComesAgainToo() {
		send(1);
		for (int attempt = 1; attempt <= 3; attempt++) {
			assertThat(receive(1)).singleElement().extracting((one) -> one.message().attempt()).isEqualTo(attempt);
			expire();
		}
	}

	@Test
	void whatWasGivenBackCannotBeSettledByItsOldReceiptAndNothingIsChanged() {
		send(1);
		String old = receive(1).get(0).receipt();
		expire();
		String held = receive(1).get(0).receipt();
		refusesEverything(old);
		expire();
		assertThat(receive(1)).as("nobody gave the second delivery back or extended it").hasSize(1);
		refusesEverything(held);
	}

	@Test
	void whatIsSettledCannotBeSettledAgain() {
		send(3);
		List<ReceivedMessage<String>> received = receive(3);
		this.receiver.acknowledge(received.get(0).receipt());
		this.receiver.release(received.get(1).receipt(), Duration.ofHours(1));
		this.receiver.reject(received.get(2).receipt(), "not wanted");
		received.forEach((one) -> refusesEverything(one.receipt()));
		assertThat(deadLetters()).isEqualTo(1);
		assertThat(this.events.leaseLost(this.queue)).isEqualTo(12);
	}

	@Test
	void ofSeveralReceiptsThoseThatStillCountAreAcknowledgedAndTheOthersNamed() {
		send(3);
		List<ReceivedMessage<String>> received = receive(3);
		List<String> receipts = received.stream().map(ReceivedMessage::receipt).toList();
		this.receiver.acknowledge(receipts.get(1));
		assertThatExceptionOfType(LeaseLostException.class).isThrownBy(() -> this.receiver.acknowledge(receipts))
			.withMessageStartingWith("Message " + received.get(1).message().id() + " of queue '" + this.queue
					+ "' cannot be settled with this receipt");
		assertThat(held()).isZero();
		assertThat(this.events.completed(this.queue)).isEqualTo(3);
	}

	@Test
	void anExtensionReplacesTheVisibilityTimeout() {
		send(2);
		List<ReceivedMessage<String>> received = receive(2);
		this.receiver.extend(received.get(0).receipt(), Duration.ofMinutes(1));
		expireAllBut(received.get(0));
		assertThat(receive(2)).singleElement()
			.extracting((one) -> one.message().id())
			.isEqualTo(received.get(1).message().id());
		this.receiver.extend(received.get(0).receipt(), Duration.ofMinutes(1));
		this.receiver.acknowledge(received.get(0).receipt());
	}

	@Test
	void anExtensionEndsToo() {
		send(1);
		ReceivedMessage<String> received = receive(1).get(0);
		this.receiver.extend(received.receipt(), Duration.ofMinutes(1));
		expire();
		assertThat(receive(1)).singleElement().extracting((one) -> one.message().attempt()).isEqualTo(2);
		refusesEverything(received.receipt());
	}

	@Test
	void aShorterExtensionEndsBeforeTheVisibilityTimeoutWouldHave() {
		send(1);
		ReceivedMessage<String> received = receive(1, Duration.ofHours(12)).get(0);
		this.receiver.extend(received.receipt(), Duration.ofSeconds(1));
		Await.until("it comes again", () -> !receive(1).isEmpty());
	}

	@Test
	void aReleasedMessageComesAgainAfterTheDelayAndTheDeliveryDoesNotCount() {
		send(1);
		this.receiver.release(receive(1).get(0).receipt(), Duration.ZERO);
		ReceivedMessage<String> again = receive(1).get(0);
		assertThat(again.message().attempt()).isOne();
		this.receiver.release(again.receipt(), Duration.ofMillis(300));
		assertThat(receive(1)).isEmpty();
		Await.until("it comes again", () -> !receive(1).isEmpty());
	}

	@Test
	void aRejectedMessageIsADeadLetter() {
		send(1);
		this.receiver.reject(receive(1).get(0).receipt(), "not \u0000 wanted");
		assertThat(this.application.admin().deadLetters(this.queue, 10)).singleElement().satisfies((letter) -> {
			assertThat(letter.attempts()).isOne();
			assertThat(letter.toString()).contains("not \ufffd wanted");
		});
		assertThat(this.events.deadLettered(this.queue)).isOne();
		expire();
		assertThat(receive(1)).isEmpty();
	}

	@Test
	void aMessageWhoseAttemptsAreSpentIsADeadLetterAndNotHandedOutAgain() {
		send(1);
		for (int i = 0; i < 3; i++) {
			assertThat(receive(1)).hasSize(1);
			expire();
		}
		send(1);
		assertThat(receive(1)).as("what comes behind it").singleElement().extracting((one) -> one.message().attempt()).isEqualTo(1);
		assertThat(receive(1)).isEmpty();
		assertThat(this.application.admin().deadLetters(this.queue, 10)).singleElement().satisfies((letter) -> {
			assertThat(letter.attempts()).isEqualTo(3);
			assertThat(letter.errorClass()).isEqualTo("io.pgqueue.VisibilityTimeout");
			assertThat(letter.errorMessage()).contains("not settled in its time");
		});
		assertThat(this.events.deadLettered(this.queue)).isOne();
	}

	@Test
	void aPayloadThatCannotBeReadIsADeadLetterAtOnceAndSpoilsNothing() {
		this.application.queues().sendAll(this.queue, List.of("no order", new Order("a", 1), 7));
		this.application.queues().send(this.queue, "no order");
		try (CapturedLog log = new CapturedLog()) {
			assertThat(this.receiver.receive(this.queue, Order.class, 3, LONG)).singleElement()
				.extracting((one) -> one.message().payload())
				.isEqualTo(new Order("a", 1));
			assertThat(this.receiver.receive(this.queue, Order.class, 3, LONG)).isEmpty();
			assertThat(log.lines(Level.WARN)).hasSize(3).allMatch((line) -> line.contains("is a dead letter"));
		}
		assertThat(this.application.admin().deadLetters(this.queue, 10)).hasSize(3).allSatisfy((letter) -> {
			assertThat(letter.attempts()).isOne();
			assertThat(letter.errorMessage()).contains("cannot be read as").doesNotContain("no order");
		});
		assertThat(this.events.deadLettered(this.queue)).isEqualTo(3);
	}

	@Test
	void unreadableOnesInFrontHideNobodyBehindThem() {
		this.application.queues().sendAll(this.queue, List.of("no order", "no order", "no order", new Order("a", 1)));
		assertThat(this.receiver.receive(this.queue, Order.class, 1, LONG)).hasSize(1);
	}

	@Test
	void withRoomForOneRetriesAndNewMessagesTakeTurns() {
		send(3);
		receive(3).forEach((one) -> this.receiver.release(one.receipt(), Duration.ZERO));
		List<Long> retries = this.database.jdbc().sql("SELECT id FROM pgqueue.retry").query(Long.class).list();
		send(3);
		List<Boolean> kinds = new ArrayList<>();
		for (int i = 0; i < 4; i++) {
			kinds.add(retries.contains(receive(1).get(0).message().id()));
		}
		assertThat(kinds).isIn(List.of(true, false, true, false), List.of(false, true, false, true));
	}

	@Test
	void anotherProcessMaySettleWhatThisOneReceived() {
		send(2);
		List<ReceivedMessage<String>> received = receive(2);
		QueueReceiver other = QueueReceiver.builder(this.database.dataSource()).build();
		other.acknowledge(received.get(0).receipt());
		other.extend(received.get(1).receipt(), LONG);
		other.reject(received.get(1).receipt(), "no");
		assertThat(held()).isZero();
	}

	@Test
	void whatIsReceivedIsHiddenFromListenersUntilItIsGivenBack() {
		send(1);
		ReceivedMessage<String> received = receive(1).get(0);
		this.application.handle(TestApplication.options(this.queue).build(), (message) -> {
		}).start();
		this.application.queues().send(this.queue, "other");
		Await.until("the other was handled", () -> this.application.events().completed(this.queue) == 1);
		this.receiver.release(received.receipt(), Duration.ZERO);
		Await.until("both were handled", () -> this.application.events().completed(this.queue) == 2);
	}

	@Test
	void anApplicationWithListenersGivesBackWhatOthersHaveReceivedAndLeft() {
		String other = this.application.declareQueue();
		this.application.queues().send(other, "left");
		this.receiver.receive(other, String.class, 1, LONG);
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp()")
			.update();
		try (TestApplication quick = TestApplication.builder(this.database).timeout(Duration.ofSeconds(1)).build()) {
			quick.handle(TestApplication.options(this.queue).build(), (message) -> {
			}).start();
			Await.until("it is given back", () -> this.database.jdbc()
				.sql("SELECT count(*) FROM pgqueue.retry r JOIN pgqueue.queue q ON q.id = r.queue_id WHERE q.name = ? "
						+ "AND r.worker_id IS NULL AND r.attempts = 1")
				.param(other)
				.query(Integer.class)
				.single() == 1);
		}
	}

	@Test
	void whoeverIsDeclaredDeadRegistersAnewAndStillSettlesWhatItHolds() {
		send(2);
		ReceivedMessage<String> received = receive(1).get(0);
		this.database.jdbc().sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL").update();
		assertThat(receive(1)).hasSize(1);
		this.receiver.acknowledge(received.receipt());
	}

	@Test
	void withoutATransactionReceiveAndDeleteDeletesAtOnce() {
		send(3);
		assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 2)).extracting(QueueMessage::payload)
			.containsExactly("0", "1");
		assertThat(held()).isZero();
		assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 2)).hasSize(1);
		assertThat(this.receiver.receiveAndDelete(this.queue, String.class, 2)).isEmpty();
		assertThat(this.events.completed(this.queue)).isEqualTo(3);
	}

	@Test
	void tenThousandAtATimeAreReceivedAndSettled() {
		this.application.queues().sendAll(this.queue, IntStream.range(0, 10_001).boxed().toList());
		List<ReceivedMessage<Integer>> received = this.receiver.receive(this.queue, Integer.class, 10_000, LONG);
		assertThat(received).hasSize(10_000);
		expire();
		Set<Integer> settled = new HashSet<>();
		List<ReceivedMessage<Integer>> some = this.receiver.receive(this.queue, Integer.class, 10_000, LONG);
		while (!some.isEmpty()) {
			this.receiver.acknowledge(some.stream().map(ReceivedMessage::receipt).toList());
			some.forEach((one) -> assertThat(settled.add(one.message().payload())).isTrue());
			some = this.receiver.receive(this.queue, Integer.class, 10_000, LONG);
		}
		assertThat(settled).hasSize(10_001);
	}

	@Test
	void anUnknownQueueIsNamedWithTheNearestMatch() {
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.receiver.receive(this.queue + "x", String.class, 1, LONG))
			.withMessageContaining("'" + this.queue + "x' does not exist")
			.withMessageContaining("did you mean 'queue-");
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.receiver.receiveAndDelete(this.queue + "x", String.class, 1));
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> this.receiver.receive("no name", String.class, 1, LONG));
	}

	@ParameterizedTest
	@ValueSource(ints = { 0, -1, 10_001 })
	void howManyIsLimited(int max) {
		assertThatIllegalArgumentException().isThrownBy(() -> receive(max))
			.withMessage("max is " + max + ", but must be from 1 to 10000");
	}

	@Test
	void timesAreLimitedFromBelow() {
		send(1);
		assertThatIllegalArgumentException().isThrownBy(() -> receive(1, Duration.ofMillis(999)))
			.withMessage("visibilityTimeout is PT0.999S, but must be at least 1 s");
		String receipt = receive(1, Duration.ofSeconds(Long.MAX_VALUE)).get(0).receipt();
		assertThatIllegalArgumentException().isThrownBy(() -> this.receiver.extend(receipt, Duration.ofMillis(999)));
		assertThatIllegalArgumentException().isThrownBy(() -> this.receiver.release(receipt, Duration.ofMillis(-1)));
		this.receiver.extend(receipt, Duration.ofSeconds(Long.MAX_VALUE));
		this.receiver.release(receipt, Duration.ofSeconds(Long.MAX_VALUE));
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "x", "1-2-3-x-q", "1-2-3-f-", "1-2-3-f-no name", "1-2-99999999999999999999-f-q" })
	void whatIsNoReceiptIsRefused(String receipt) {
		assertThatIllegalArgumentException().isThrownBy(() -> this.receiver.acknowledge(receipt))
			.withMessageContaining("is not one");
		assertThatIllegalArgumentException().isThrownBy(() -> this.receiver.reject(receipt, "x"));
	}

	private void refusesEverything(String receipt) {
		assertThatExceptionOfType(LeaseLostException.class).isThrownBy(() -> this.receiver.acknowledge(receipt));
		assertThatExceptionOfType(LeaseLostException.class)
			.isThrownBy(() -> this.receiver.release(receipt, Duration.ZERO));
		assertThatExceptionOfType(LeaseLostException.class).isThrownBy(() -> this.receiver.reject(receipt, "no"));
		assertThatExceptionOfType(LeaseLostException.class)
			.isThrownBy(() -> this.receiver.extend(receipt, Duration.ofHours(1)));
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	private List<ReceivedMessage<String>> receive(int max) {
		return receive(max, LONG);
	}

	private List<ReceivedMessage<String>> receive(int max, Duration timeout) {
		return this.receiver.receive(this.queue, String.class, max, timeout);
	}

	/**
	 * Lets the time of everything that is held pass.
	 */
	private void expire() {
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() "
					+ "WHERE subscription_id = (SELECT s.id FROM pgqueue.subscription s JOIN pgqueue.queue q "
					+ "ON q.id = s.queue_id WHERE q.name = ?)")
			.param(this.queue)
			.update();
	}

	private void expireAllBut(ReceivedMessage<String> extended) {
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() WHERE id <> ?")
			.param(extended.message().id())
			.update();
	}

	private int held() {
		return count("lease") + count("retry");
	}

	private int pulls() {
		return count("pulled");
	}

	private int count(String table) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table + " WHERE subscription_id = (SELECT s.id FROM "
					+ "pgqueue.subscription s JOIN pgqueue.queue q ON q.id = s.queue_id WHERE q.name = ?)")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	private int deadLetters() {
		return this.application.admin().deadLetters(this.queue, 10).size();
	}

	private long nextTransactionId() {
		return this.database.jdbc()
			.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
			.query(Long.class)
			.single();
	}

	record Order(String item, int quantity) {
	}

}
