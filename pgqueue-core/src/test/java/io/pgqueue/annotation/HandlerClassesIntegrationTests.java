package io.pgqueue.annotation;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;

import io.pgqueue.QueueHeaders;
import io.pgqueue.QueueMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.UnknownTypeException;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.core.annotation.AliasFor;
import org.springframework.messaging.handler.annotation.Header;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Classes with {@link QueueListener @QueueListener} and
 * {@link QueueHandler @QueueHandler} methods.
 */
@PgQueueDatabase
class HandlerClassesIntegrationTests {

	private static final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

	private final ListenerContext context;

	HandlerClassesIntegrationTests(TestDatabase database) {
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
	void theLogicalTypeChoosesTheMethodAndTheMethodChoosesTheClass() {
		this.context.start(Shop.class);
		send("shop", Map.of("id", 1), "placed");
		assertThat(received()).isEqualTo(new Placed(1));
		send("shop", "no longer wanted", "cancelled");
		assertThat(received()).isEqualTo("cancelled no longer wanted at attempt 1");
		send("shop", "an older name", "revoked");
		assertThat(received()).isEqualTo("cancelled an older name at attempt 1");
		assertThat(this.context.application().registry().containers()).hasSize(1);
		assertThat(this.context.container("handlerClassesIntegrationTests.Shop").options().concurrency()).isEqualTo(2);
	}

	@Test
	void aMessageWithoutTypeOrWithAnUnknownOneIsADeadLetterAtOnceWithTheReason() {
		this.context.start(Shop.class);
		this.context.send("shop", Map.of("id", 1));
		DeadLetter without = awaitDeadLetters("shop", 1).get(0);
		assertThat(without.attempts()).isEqualTo(1);
		assertThat(without.errorClass()).isEqualTo(UnknownTypeException.class.getName());
		assertThat(without.errorMessage()).contains("'type' is missing", "[cancelled, placed, revoked]");
		send("shop", Map.of("id", 1), Placed.class.getName());
		DeadLetter unknown = awaitDeadLetters("shop", 2).get(0);
		assertThat(unknown.attempts()).isEqualTo(1);
		assertThat(unknown.errorMessage()).contains("names another type").doesNotContain("Placed");
		this.context.application()
			.queues()
			.send("shop", Map.of("id", 1), (options) -> options.header(QueueHeaders.TYPE, 7));
		assertThat(awaitDeadLetters("shop", 3).get(0).errorMessage()).contains("names another type");
		assertThat(received).isEmpty();
	}

	@Test
	void theDefaultMethodHandlesWhatNoOtherDoes() {
		this.context.start(WithDefault.class);
		send("with-default", "a", "known");
		assertThat(received()).isEqualTo("known a");
		send("with-default", "b", "unknown");
		assertThat(received()).isEqualTo("default b");
		this.context.send("with-default", "c");
		assertThat(received()).isEqualTo("default c");
		send("with-default", "d", "special");
		assertThat(received()).isEqualTo("default d");
	}

	@Test
	void theOnlyMethodOfAClassHandlesEverything() {
		this.context.start(Only.class);
		this.context.send("only", Map.of("id", 1));
		assertThat(received()).isEqualTo(new Placed(1));
		send("only", Map.of("id", 2), "whatever");
		assertThat(received()).isEqualTo(new Placed(2));
	}

	@Test
	void theOnlyMethodWithATypeHandlesThatTypeOnly() {
		this.context.start(OnlyOneType.class);
		send("only-one-type", Map.of("id", 1), "placed");
		assertThat(received()).isEqualTo(new Placed(1));
		send("only-one-type", Map.of("id", 2), "whatever");
		awaitDeadLetters("only-one-type", 1);
	}

	@Test
	void typesMayHavePlaceholdersAndExpressions() {
		this.context.properties(Map.of("type", "from-properties")).start(Placeholders.class);
		send("placeholders", "a", "from-properties");
		assertThat(received()).isEqualTo("property a");
		send("placeholders", "b", "from-an-expression");
		assertThat(received()).isEqualTo("expression b");
	}

	@Test
	void bothAnnotationsMayBeComposed() {
		this.context.start(Composed.class);
		assertThat(this.context.container("composed-class").options().queue()).isEqualTo("composed-class");
		send("composed-class", "a", "known");
		assertThat(received()).isEqualTo("a");
	}

	@Test
	void aClassMayListenToSeveralQueuesAndHaveListenerMethodsToo() {
		this.context.start(Several.class);
		this.context.send("several-1", "a");
		assertThat(received()).isEqualTo("a");
		this.context.send("several-2", "b");
		assertThat(received()).isEqualTo("b");
		this.context.send("several-3", "c");
		assertThat(received()).isEqualTo("own c");
		assertThat(this.context.application().registry().containers())
			.extracting((container) -> container.options().id())
			.containsExactlyInAnyOrder("handlerClassesIntegrationTests.Several[several-1]",
					"handlerClassesIntegrationTests.Several[several-2]", "handlerClassesIntegrationTests.Several.own");
	}

	@Test
	void aClassInheritsWhatItsParentListensTo() {
		this.context.start(Inheriting.class);
		send("shop", Map.of("id", 1), "placed");
		assertThat(received()).isEqualTo("inheriting " + new Placed(1));
	}

	@Test
	void ofAHundredMessagesThreeArePoisonAndTheOthersAreHandled() {
		RetryPolicy policy = new RetryPolicy(3, Duration.ofMillis(80), 2, Duration.ofMinutes(1), 0);
		this.context.defaults((queue, options) -> options.retryPolicy(policy)).start(Poisoned.class);
		Poisoned poisoned = this.context.bean(Poisoned.class);
		for (int i = 0; i < 100; i++) {
			switch (i) {
				case 20 -> send("poisoned", Map.of("id", "no number: 4711"), "placed");
				case 40 -> send("poisoned", Map.of("id", i), "unknown");
				case 60 -> send("poisoned", Map.of("id", -1), "placed");
				default -> send("poisoned", Map.of("id", i), "placed");
			}
		}
		TestApplication application = this.context.application();
		Await.until("97 are acknowledged", () -> application.events().completed("poisoned") == 97);
		List<DeadLetter> dead = awaitDeadLetters("poisoned", 3);
		assertThat(poisoned.handled).hasSize(97);
		assertThat(dead).extracting(DeadLetter::attempts).containsExactlyInAnyOrder(1, 1, 3);
		assertThat(dead).extracting(DeadLetter::errorClass)
			.containsExactlyInAnyOrder("org.springframework.messaging.converter.MessageConversionException",
					UnknownTypeException.class.getName(), "java.lang.AssertionError");
		assertThat(dead).extracting(DeadLetter::errorMessage)
			.allSatisfy((message) -> assertThat(message).isNotBlank().doesNotContain("4711"));
		assertThat(application.events().failed("poisoned")).as("no tight loop").isEqualTo(1 + 1 + 3);
		for (int i = 1; i < 3; i++) {
			long gap = (poisoned.times.get(i) - poisoned.times.get(i - 1)) / 1_000_000;
			assertThat(gap).as("gap %d", i).isGreaterThanOrEqualTo((80L << (i - 1)) - 5);
		}
	}

	private void send(String queue, Object payload, String type) {
		this.context.application().queues().send(queue, payload, (options) -> options.type(type));
	}

	private Object received() {
		Await.until("a message was received", () -> !received.isEmpty());
		return received.poll();
	}

	private List<DeadLetter> awaitDeadLetters(String queue, int count) {
		Await.until(count + " messages were given up",
				() -> this.context.application().admin().deadLetters(queue, 100).size() == count);
		return this.context.application().admin().deadLetters(queue, 100);
	}

	record Placed(int id) {
	}

	@Target(ElementType.TYPE)
	@Retention(RetentionPolicy.RUNTIME)
	@QueueListener("composed-class")
	@interface ComposedListener {

		@AliasFor(annotation = QueueListener.class, attribute = "id")
		String name();

	}

	@Target(ElementType.METHOD)
	@Retention(RetentionPolicy.RUNTIME)
	@QueueHandler("known")
	@interface ComposedHandler {

	}

	@QueueListener(queue = "shop", concurrency = "2")
	static class Shop {

		@QueueHandler("placed")
		void placed(Placed placed) {
			received.add(placed);
		}

		@QueueHandler({ "cancelled", "revoked" })
		void cancelled(QueueMessage<String> message, @Header(QueueHeaders.ATTEMPT) int attempt) {
			received.add("cancelled " + message.payload() + " at attempt " + attempt);
		}

	}

	static class Inheriting extends Shop {

		@Override
		void placed(Placed placed) {
			received.add("inheriting " + placed);
		}

	}

	@QueueListener("with-default")
	static class WithDefault {

		@QueueHandler("known")
		void known(String payload) {
			received.add("known " + payload);
		}

		@QueueHandler(value = "special", isDefault = true)
		void other(String payload) {
			received.add("default " + payload);
		}

	}

	@QueueListener("only")
	static class Only {

		@QueueHandler
		void on(Placed placed) {
			received.add(placed);
		}

	}

	@QueueListener("only-one-type")
	static class OnlyOneType {

		@QueueHandler("placed")
		void on(Placed placed) {
			received.add(placed);
		}

	}

	@QueueListener("placeholders")
	static class Placeholders {

		@QueueHandler("${type}")
		void property(String payload) {
			received.add("property " + payload);
		}

		@QueueHandler("#{'from-' + 'an-expression'}")
		void expression(String payload) {
			received.add("expression " + payload);
		}

	}

	@ComposedListener(name = "composed-class")
	static class Composed {

		@ComposedHandler
		void on(String payload) {
			received.add(payload);
		}

	}

	@QueueListener("several-1")
	@QueueListener("several-2")
	static class Several {

		@QueueHandler
		void on(String payload) {
			received.add(payload);
		}

		@QueueListener("several-3")
		void own(String payload) {
			received.add("own " + payload);
		}

	}

	@QueueListener("poisoned")
	static class Poisoned {

		private final Set<Integer> handled = ConcurrentHashMap.newKeySet();

		private final List<Long> times = new CopyOnWriteArrayList<>();

		@QueueHandler("placed")
		void on(Placed placed) {
			if (placed.id() < 0) {
				this.times.add(System.nanoTime());
				throw new AssertionError("poison");
			}
			this.handled.add(placed.id());
		}

	}

}
