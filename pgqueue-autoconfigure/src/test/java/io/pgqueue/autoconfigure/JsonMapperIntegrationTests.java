package io.pgqueue.autoconfigure;

import java.time.LocalDate;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.QueueOperations;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.jackson.autoconfigure.JsonMapperBuilderCustomizer;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class JsonMapperIntegrationTests {

	private static final OrderPlaced PLACED = new OrderPlaced("c-1001", LocalDate.of(2026, 1, 31), List.of("book"));

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	JsonMapperIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.quickRunner(database).withUserConfiguration(Orders.class);
	}

	@Test
	void propertiesOfJacksonCountForSendingAndReceiving() {
		this.application.withPropertyValues("spring.jackson.property-naming-strategy=UPPER_SNAKE_CASE")
			.run((context) -> assertThat(storedForm(context)).contains("\"CUSTOMER_ID\"", "\"PLACED_ON\""));
	}

	@Test
	void customizersCountForSendingAndReceiving() {
		this.application
			.withBean(JsonMapperBuilderCustomizer.class,
					() -> (builder) -> builder.propertyNamingStrategy(PropertyNamingStrategies.KEBAB_CASE))
			.run((context) -> assertThat(storedForm(context)).contains("\"customer-id\"", "\"placed-on\""));
	}

	@Test
	void theMapperOfTheApplicationCounts() {
		this.application
			.withBean(JsonMapper.class,
					() -> JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.LOWER_DOT_CASE).build())
			.run((context) -> assertThat(storedForm(context)).contains("\"customer.id\"", "\"placed.on\""));
	}

	@Test
	void severalMappersOfTheApplicationDoNotKeepItFromStarting() {
		this.application.withBean("one", JsonMapper.class, () -> JsonMapper.builder().build())
			.withBean("two", JsonMapper.class, () -> JsonMapper.builder().build())
			.run((context) -> assertThat(storedForm(context)).contains("\"customerId\""));
	}

	@Test
	void theDefaultsAreThoseOfJackson() {
		this.application.run((context) -> assertThat(storedForm(context)).contains("\"customerId\"", "\"2026-01-31\""));
	}

	private String storedForm(AssertableApplicationContext context) {
		assertThat(context).hasNotFailed();
		this.database.jdbc().sql("TRUNCATE pgqueue.message").update();
		context.getBean(QueueOperations.class).send("json", PLACED);
		List<OrderPlaced> received = context.getBean(Orders.class).received;
		Await.until("it has arrived", () -> !received.isEmpty());
		assertThat(received).containsExactly(PLACED);
		return this.database.jdbc().sql("SELECT payload::text FROM pgqueue.message").query(String.class).single();
	}

	record OrderPlaced(String customerId, LocalDate placedOn, List<String> items) {
	}

	static class Orders {

		private final List<OrderPlaced> received = new CopyOnWriteArrayList<>();

		@QueueListener("json")
		void on(OrderPlaced placed) {
			this.received.add(placed);
		}

	}

}
