package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

import io.pgqueue.LeaseLostException;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Settling by receipt, in time and too late.
 */
@PgQueueDatabase
class ReceiptsIntegrationTests extends AbstractReceiving {

	ReceiptsIntegrationTests(TestDatabase database) {
		super(database);
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
			assertThat(letter.reason()).isEqualTo("not \ufffd wanted");
			assertThat(letter.errorClass()).isNull();
		});
		assertThat(this.events.deadLettered(this.queue)).isOne();
		expire();
		assertThat(receive(1)).isEmpty();
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
	void whoeverIsDeclaredDeadRegistersAnewAndStillSettlesWhatItHolds() {
		send(2);
		ReceivedMessage<String> received = receive(1).get(0);
		this.database.jdbc().sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL").update();
		assertThat(receive(1)).hasSize(1);
		this.receiver.acknowledge(received.receipt());
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

}
