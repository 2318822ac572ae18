package io.pgqueue.autoconfigure;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.InvalidPayloadException;
import io.pgqueue.QueueOperations;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import jakarta.validation.Valid;
import jakarta.validation.constraints.NotBlank;
import jakarta.validation.constraints.Positive;
import org.junit.jupiter.api.Test;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.validation.autoconfigure.ValidationAutoConfiguration;
import org.springframework.messaging.handler.annotation.Payload;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Payloads with constraints of Jakarta Validation, which Boot configures.
 */
@PgQueueDatabase
class ValidPayloadsIntegrationTests {

	private static final Order GOOD = new Order("c-1", List.of(new Item(1)));

	private static final Order BAD = new Order(" ", List.of(new Item(1), new Item(-4711)));

	private final ApplicationContextRunner application;

	ValidPayloadsIntegrationTests(TestDatabase database) {
		this.application = Applications.quickRunner(database)
			.withConfiguration(AutoConfigurations.of(ValidationAutoConfiguration.class))
			.withUserConfiguration(Orders.class);
	}

	@Test
	void aPayloadThatIsNotValidIsADeadLetterThatNamesFieldsAndNoValues() {
		this.application.run((context) -> {
			context.getBean(QueueOperations.class).send("valid", BAD);
			context.getBean(QueueOperations.class).send("valid", GOOD);
			Orders orders = context.getBean(Orders.class);
			Await.until("the good one has arrived", () -> orders.received.equals(List.of(GOOD)));
			QueueAdmin admin = context.getBean(QueueAdmin.class);
			Await.until("the bad one was given up", () -> admin.deadLetters("valid", 9).size() == 1);
			DeadLetter dead = admin.deadLetters("valid", 9).get(0);
			assertThat(dead.attempts()).isEqualTo(1);
			assertThat(dead.errorClass()).isEqualTo(InvalidPayloadException.class.getName());
			assertThat(dead.errorMessage())
				.isEqualTo("The payload is not valid: customer (NotBlank), items[1].quantity (Positive)");
		});
	}

	@Test
	void inABatchOnlyTheInvalidOnesAreDeadLetters() {
		this.application.run((context) -> {
			context.getBean(QueueOperations.class).sendAll("valid-batch", List.of(GOOD, BAD, GOOD));
			Orders orders = context.getBean(Orders.class);
			Await.until("the good ones have arrived", () -> orders.received.equals(List.of(GOOD, GOOD)));
			QueueAdmin admin = context.getBean(QueueAdmin.class);
			Await.until("the bad one was given up", () -> admin.deadLetters("valid-batch", 9).size() == 1);
		});
	}

	record Order(@NotBlank String customer, List<@Valid Item> items) {
	}

	record Item(@Positive int quantity) {
	}

	static class Orders {

		private final List<Order> received = new CopyOnWriteArrayList<>();

		@QueueListener("valid")
		void on(@Payload @Valid Order order) {
			this.received.add(order);
		}

		@QueueListener(queue = "valid-batch", batchSize = "10")
		void on(List<@Valid Order> orders) {
			this.received.addAll(orders);
		}

	}

}
