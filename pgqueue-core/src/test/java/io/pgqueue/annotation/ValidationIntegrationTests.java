package io.pgqueue.annotation;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

import ch.qos.logback.classic.Level;
import io.pgqueue.InvalidPayloadException;
import io.pgqueue.QueueMessage;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.listener.CapturedLog;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.messaging.handler.annotation.Payload;
import org.springframework.validation.Errors;
import org.springframework.validation.SmartValidator;
import org.springframework.validation.annotation.Validated;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class ValidationIntegrationTests {

	private static final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

	private static final Order BAD = new Order("secret-4711", -1, Map.of("secret-4712", -1));

	private static final Order GOOD = new Order("c-1", 1, Map.of());

	private final ListenerContext context;

	ValidationIntegrationTests(TestDatabase database) {
		this.context = ListenerContext.on(database);
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void nothingIsReceived() {
		received.clear();
	}

	@AfterEach
	void close() {
		this.context.close();
	}

	@Test
	void anInvalidPayloadIsADeadLetterAtOnceThatNamesFieldsAndNoValues() {
		this.context.start(OrderValidator.class, Single.class);
		try (CapturedLog log = new CapturedLog()) {
			this.context.send("validated", BAD);
			this.context.send("validated", GOOD);
			assertThat(received()).isEqualTo(GOOD);
			DeadLetter dead = awaitDeadLetter("validated");
			assertThat(dead.attempts()).isEqualTo(1);
			assertThat(dead.errorClass()).isEqualTo(InvalidPayloadException.class.getName());
			assertThat(dead.errorMessage()).isEqualTo(
					"The payload is not valid: payload (Contradiction), prices[...] (Positive), quantity (Positive)");
			assertThat(log.lines(Level.DEBUG)).noneMatch((line) -> line.contains("4711") || line.contains("4712"));
		}
		assertThat(received).isEmpty();
	}

	@Test
	void inABatchOnlyTheInvalidOnesAreDeadLetters() {
		this.context.application().registry().declare("validated-batch");
		this.context.application().queues().sendAll("validated-batch", List.of(GOOD, BAD, GOOD));
		this.context.start(OrderValidator.class, Batch.class);
		assertThat(received()).isEqualTo(List.of(GOOD, GOOD));
		awaitDeadLetter("validated-batch");
	}

	@Test
	void theAnnotationMayStandOnTheElements() {
		this.context.application().registry().declare("validated-elements");
		this.context.application().queues().sendAll("validated-elements", List.of(GOOD, BAD));
		this.context.start(OrderValidator.class, Elements.class);
		assertThat(received()).isEqualTo(List.of(GOOD));
		awaitDeadLetter("validated-elements");
	}

	@Test
	void messagesAndOptionalsAreValidatedByTheirPayload() {
		this.context.start(OrderValidator.class, Wrapped.class);
		this.context.send("validated-message", BAD);
		this.context.send("validated-message", GOOD);
		assertThat(received()).isEqualTo(GOOD);
		awaitDeadLetter("validated-message");
		this.context.send("validated-optional", BAD);
		this.context.send("validated-optional", GOOD);
		assertThat(received()).isEqualTo(Optional.of(GOOD));
		awaitDeadLetter("validated-optional");
	}

	@Test
	void groupsArePassedOn() {
		this.context.start(OrderValidator.class, Groups.class);
		this.context.send("validated-groups", BAD);
		assertThat(received()).isEqualTo(BAD);
	}

	@Test
	void aPayloadWithoutTheAnnotationIsNotValidated() {
		this.context.start(OrderValidator.class, Unvalidated.class);
		this.context.send("unvalidated", BAD);
		assertThat(received()).isEqualTo(BAD);
	}

	private DeadLetter awaitDeadLetter(String queue) {
		Await.until("it was given up", () -> this.context.application().admin().deadLetters(queue, 9).size() == 1);
		return this.context.application().admin().deadLetters(queue, 9).get(0);
	}

	private Object received() {
		Await.until("a message was received", () -> !received.isEmpty());
		return received.poll();
	}

	record Order(String customer, int quantity, Map<String, Integer> prices) {
	}

	interface Lenient {

	}

	/**
	 * Spring's convention: the name begins with "Valid".
	 */
	@Target(ElementType.TYPE_USE)
	@Retention(RetentionPolicy.RUNTIME)
	@interface ValidOrder {

	}

	static class Single {

		@QueueListener("validated")
		void on(@Payload @Validated Order order) {
			received.add(order);
		}

	}

	static class Batch {

		@QueueListener(queue = "validated-batch", batchSize = "10")
		void on(@Validated List<Order> orders) {
			received.add(orders);
		}

	}

	static class Elements {

		@QueueListener(queue = "validated-elements", batchSize = "10")
		void on(List<@ValidOrder Order> orders) {
			received.add(orders);
		}

	}

	static class Wrapped {

		@QueueListener("validated-message")
		void message(@Validated QueueMessage<Order> message) {
			received.add(message.payload());
		}

		@QueueListener("validated-optional")
		void optional(@Validated Optional<Order> order) {
			received.add(order);
		}

	}

	static class Groups {

		@QueueListener("validated-groups")
		void on(@Validated(Lenient.class) Order order) {
			received.add(order);
		}

	}

	static class Unvalidated {

		@QueueListener("unvalidated")
		void on(Order order) {
			received.add(order);
		}

	}

	static class OrderValidator implements SmartValidator {

		@Override
		public boolean supports(Class<?> type) {
			return type == Order.class;
		}

		@Override
		public void validate(Object target, Errors errors, Object... hints) {
			if (List.of(hints).contains(Lenient.class)) {
				return;
			}
			validate(target, errors);
		}

		@Override
		public void validate(Object target, Errors errors) {
			Order order = (Order) target;
			if (order.quantity() < 1) {
				errors.rejectValue("quantity", "Positive", "must not be " + order.quantity());
				errors.reject("Contradiction", "refused because of " + order.customer());
			}
			order.prices().forEach((name, price) -> {
				if (price < 1) {
					errors.rejectValue("prices[" + name + "]", "Positive", "must not be " + price);
				}
			});
		}

	}

}
