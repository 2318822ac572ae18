package io.pgqueue.samples.quickstart;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Path;

import io.pgqueue.test.Await;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.boot.test.web.server.LocalServerPort;
import org.springframework.test.annotation.DirtiesContext;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.util.FileSystemUtils;

import static org.assertj.core.api.Assertions.assertThat;

@Tag("postgres")
@SpringBootTest(webEnvironment = WebEnvironment.RANDOM_PORT, properties = "pgqueue.retry.initial=50ms")
@DirtiesContext
class QuickstartIntegrationTests {

	private final OrderDesk desk;

	QuickstartIntegrationTests(@LocalServerPort int port) {
		this.desk = new OrderDesk(port);
	}

	@DynamicPropertySource
	static void emptyDatabase(DynamicPropertyRegistry registry) throws IOException {
		Path directory = Path.of("target/test-http");
		FileSystemUtils.deleteRecursively(directory);
		registry.add("quickstart.postgres-directory", directory::toString);
	}

	@Test
	void anOrderIsPlacedAndThenConfirmed() throws Exception {
		HttpResponse<String> placed = this.desk.place("""
				{"customer":"c-1001","item":"book","quantity":2}""");
		assertThat(placed.statusCode()).isEqualTo(201);
		long id = OrderDesk.json(placed).get("id").asLong();
		assertThat(placed.body()).isEqualTo("""
				{"id":%d,"status":"PLACED"}""".formatted(id));
		assertThat(placed.headers().firstValue("Location")).hasValue("/orders/" + id);
		Await.until("the order is confirmed", () -> order(id).get("status").asString().equals("CONFIRMED"));
		assertThat(order(id).get("customer").asString()).isEqualTo("c-1001");
		assertThat(order(id).get("item").asString()).isEqualTo("book");
		assertThat(order(id).get("quantity").asInt()).isEqualTo(2);
	}

	@Test
	void aRefusedOrderIsRetriedAndBecomesADeadLetter() throws Exception {
		long id = OrderDesk.json(this.desk.place("c-1002", 101)).get("id").asLong();
		String reason = "Order " + id + " asks for 101 pieces, but we sell at most 100 at a time";
		Await.until("there is a dead letter", () -> deadLetters().findValuesAsString("reason").contains(reason));
		JsonNode letter = deadLetters().valueStream()
			.filter((one) -> one.get("reason").asString().equals(reason))
			.findFirst()
			.orElseThrow();
		assertThat(letter.get("attempts").asInt()).isEqualTo(5);
		assertThat(letter.get("deadAt").asString()).isGreaterThan(letter.get("sentAt").asString());
		assertThat(order(id).get("status").asString()).isEqualTo("PLACED");
	}

	@Test
	void theLargestOrderIsConfirmed() throws Exception {
		long id = OrderDesk.json(this.desk.place("c-1003", 100)).get("id").asLong();
		Await.until("the order is confirmed", () -> order(id).get("status").asString().equals("CONFIRMED"));
	}

	@Test
	void theLatestOrdersComeFirst() throws Exception {
		long first = OrderDesk.json(this.desk.place("c-1004", 1)).get("id").asLong();
		long second = OrderDesk.json(this.desk.place("c-1004", 1)).get("id").asLong();
		JsonNode orders = OrderDesk.json(this.desk.get("/orders"));
		assertThat(orders.get(0).get("id").asLong()).isEqualTo(second);
		assertThat(orders.get(1).get("id").asLong()).isEqualTo(first);
	}

	@ParameterizedTest
	@ValueSource(strings = { """
			{"customer":"c-1001","item":"book","quantity":0}""", """
			{"customer":"c-1001","item":"book"}""", """
			{"customer":"c-1001","item":" ","quantity":1}""", """
			{"customer":"c-1001","quantity":1}""", """
			{"customer":"c-\\u0000","item":"book","quantity":1}""", """
			{"item":"book","quantity":1}""", "two books, please" })
	void whatIsNoOrderIsABadRequest(String json) throws Exception {
		assertProblem(this.desk.place(json), 400);
	}

	@Test
	void anUnknownOrderIsNotFound() throws Exception {
		HttpResponse<String> response = this.desk.get("/orders/999999999");
		assertProblem(response, 404);
		assertThat(OrderDesk.json(response).get("detail").asString()).isEqualTo("There is no order 999999999");
	}

	@Test
	void thePageIsServed() throws Exception {
		HttpResponse<String> page = this.desk.get("/");
		assertThat(page.statusCode()).isEqualTo(200);
		assertThat(page.headers().firstValue("Content-Type"))
			.hasValueSatisfying((type) -> assertThat(type).startsWith("text/html"));
		assertThat(page.body()).contains("Latest orders", "Dead letters");
	}

	@Test
	void theHealthTellsAboutTheListener() throws Exception {
		Await.until("the listener has looked into its queue", () -> {
			JsonNode queues = OrderDesk.json(this.desk.get("/actuator/health")).get("components").get("pgqueue");
			return queues.get("status").asString().equals("UP") && queues.get("details")
				.get("listeners")
				.get("orderListener.confirm")
				.asString()
				.startsWith("last poll");
		});
	}

	private JsonNode order(long id) throws Exception {
		return OrderDesk.json(this.desk.get("/orders/" + id));
	}

	private JsonNode deadLetters() throws Exception {
		return OrderDesk.json(this.desk.get("/dead-letters"));
	}

	private static void assertProblem(HttpResponse<String> response, int status) {
		assertThat(response.statusCode()).isEqualTo(status);
		assertThat(response.headers().firstValue("Content-Type")).hasValue("application/problem+json");
	}

}
