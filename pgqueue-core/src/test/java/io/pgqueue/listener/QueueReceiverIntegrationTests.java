package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueMessage;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
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
class QueueReceiverIntegrationTests extends AbstractReceiving {

	QueueReceiverIntegrationTests(TestDatabase database) {
		super(database);
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
		assertThat(this.receiver.receive(this.queue, byte[].class, 1, LONG).get(0).message().payload())
			.containsExactly(1, 2);
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
	void aMessageWhoseAttemptsAreSpentIsADeadLetterAndNotHandedOutAgain() {
		send(1);
		for (int i = 0; i < 3; i++) {
			assertThat(receive(1)).hasSize(1);
			expire();
		}
		send(1);
		assertThat(receive(1)).as("what comes behind it")
			.singleElement()
			.extracting((one) -> one.message().attempt())
			.isEqualTo(1);
		assertThat(receive(1)).isEmpty();
		assertThat(this.application.admin().deadLetters(this.queue, 10)).singleElement().satisfies((letter) -> {
			assertThat(letter.attempts()).isEqualTo(3);
			assertThat(letter.reason()).isEqualTo("attempts are spent");
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

	record Order(String item, int quantity) {
	}

}
