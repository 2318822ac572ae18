package io.pgqueue.client;

import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.QueueHeaders;
import io.pgqueue.QueueMessage;
import io.pgqueue.SendResult;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;
import org.springframework.messaging.support.MessageBuilder;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class PayloadFormsIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final QueueTemplate queues;

	private final String queue;

	private final BlockingQueue<QueueMessage<?>> received = new LinkedBlockingQueue<>();

	PayloadFormsIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queues = this.application.queues();
		this.queue = this.application.declareQueue();
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
	void aRecordIsStoredAsAJsonObject() {
		Invoice invoice = new Invoice("4711", new BigDecimal("10.50"), Instant.parse("2026-01-02T03:04:05.678901Z"),
				List.of("a", "ü"));
		this.queues.send(this.queue, invoice);
		assertThat(storedType()).isEqualTo("object");
		assertThat(storedHeaders()).isNull();
		assertThat(receive(new Object() {

			void on(QueueMessage<Invoice> message) {
				PayloadFormsIntegrationTests.this.received.add(message);
			}

		}).payload()).isEqualTo(invoice);
	}

	@Test
	void aMapIsStoredAsAJsonObject() {
		this.queues.send(this.queue, Map.of("one", 1, "two", 2));
		assertThat(storedType()).isEqualTo("object");
		assertThat(receive(new Object() {

			void on(QueueMessage<Map<String, Long>> message) {
				PayloadFormsIntegrationTests.this.received.add(message);
			}

		}).payload()).isEqualTo(Map.of("one", 1L, "two", 2L));
	}

	@Test
	void aStringIsStoredAsAJsonString() {
		this.queues.send(this.queue, "{\"is\": \"text and no object\"}");
		assertThat(storedType()).isEqualTo("string");
		assertThat(receiveText().payload()).isEqualTo("{\"is\": \"text and no object\"}");
	}

	@Test
	void bytesAreStoredAsBase64WithTheirMediaType() {
		byte[] bytes = { 0, 1, -1, 127, -128, 0 };
		this.queues.send(this.queue, bytes);
		assertThat(storedPayload()).isEqualTo("\"AAH/f4AA\"");
		QueueMessage<?> message = receive(new Object() {

			void on(QueueMessage<byte[]> message) {
				PayloadFormsIntegrationTests.this.received.add(message);
			}

		});
		assertThat(message.payload()).isEqualTo(bytes);
		assertThat(message.headers()).containsExactly(Map.entry(QueueHeaders.CONTENT_TYPE, "application/octet-stream"));
	}

	@Test
	void aMessageIsStoredAsItsPayloadAndHeaders() {
		this.queues.send(this.queue,
				MessageBuilder.withPayload("text")
					.setHeader("tenant", "acme")
					.setHeader("size", 3)
					.setHeader("urgent", true)
					.setHeader("overridden", "by the message")
					.setHeader(MessageHeaders.ERROR_CHANNEL, "is transient")
					.setHeader(QueueHeaders.ATTEMPT, 7)
					.build(),
				(options) -> options.header("overridden", "by the options").header("more", 1.5));
		QueueMessage<?> message = receiveText();
		assertThat(message.payload()).isEqualTo("text");
		assertThat(message.headers()).isEqualTo(
				Map.of("tenant", "acme", "size", 3, "urgent", true, "overridden", "by the options", "more", 1.5));
		assertThat(message.attempt()).isEqualTo(1);
	}

	@Test
	void aDeliveredMessageMayBeSentOn() {
		String next = this.application.declareQueue();
		this.application.listen(TestApplication.options(this.queue).build(), new Object() {

			void on(Message<String> message) {
				PayloadFormsIntegrationTests.this.queues.send(next, message);
			}

		}).start();
		this.queues.send(this.queue, "text", (options) -> options.header("tenant", "acme"));
		QueueMessage<?> message = receiveText(next);
		assertThat(message.payload()).isEqualTo("text");
		assertThat(message.queue()).isEqualTo(next);
		assertThat(message.headers()).isEqualTo(Map.of("tenant", "acme"));
	}

	@Test
	void headersThatWereSetToNullAreLeftOut() {
		this.queues.send(this.queue, MessageBuilder.withPayload("text").setHeader("tenant", "acme").build(),
				(options) -> options.header("tenant", null).header("none", null));
		assertThat(storedHeaders()).isNull();
		assertThat(receiveText().headers()).isEmpty();
	}

	@Test
	void severalHeadersCanBeSetAtOnce() {
		Map<String, Object> headers = new HashMap<>(Map.of("a", "1", "b", 2));
		this.queues.send(this.queue, "text", (options) -> options.headers(headers).header("a", "3"));
		assertThat(receiveText().headers()).isEqualTo(Map.of("a", "3", "b", 2));
	}

	@Test
	void theResultIdentifiesTheMessage() {
		SendResult result = this.queues.send(this.queue, "text");
		assertThat(result.queue()).isEqualTo(this.queue);
		assertThat(result.created()).isTrue();
		QueueMessage<?> message = receiveText();
		assertThat(message.id()).isEqualTo(result.id());
		assertThat(message.queue()).isEqualTo(this.queue);
		Instant now = this.database.jdbc()
			.sql("SELECT now()")
			.query((results, row) -> results.getObject(1, OffsetDateTime.class).toInstant())
			.single();
		assertThat(message.enqueuedAt()).isBetween(now.minusSeconds(60), now);
	}

	@ParameterizedTest
	@ValueSource(strings = { "", " ", "\n", "null", "\"quoted\"", "ünïcödé", "emoji \uD83D\uDE00", "nul \0 inside",
			"\0", "\u2028\u2029", "\uFEFFmark", "back\\slash", "\uFFFF", "'; DROP TABLE x; --", "tab\tcr\r",
			"\\u0000" })
	void everyTextArrivesUnchanged(String text) {
		this.queues.send(this.queue, text, (options) -> options.header("text", text).header("name " + text, 1));
		QueueMessage<?> message = receiveText();
		assertThat(message.payload()).isEqualTo(text);
		assertThat(message.headers()).isEqualTo(Map.of("text", text, "name " + text, 1));
	}

	@ParameterizedTest
	@ValueSource(strings = { "", " ", "\n", "text" })
	void everyTextArrivesUnchangedAtAMethodThatTakesTheBarePayload(String text) {
		this.queues.send(this.queue, text);
		assertThat(receive(new Object() {

			void on(String payload) {
				PayloadFormsIntegrationTests.this.received.add(new QueueMessage<>(0, "", payload, Map.of(), 0, null));
			}

		}).payload()).isEqualTo(text);
	}

	@ParameterizedTest
	@ValueSource(ints = { 0, 1, 100_000 })
	void bytesOfAnyLengthArriveUnchangedAtAMethodThatTakesTheBarePayload(int length) {
		byte[] bytes = "x".repeat(length).getBytes(StandardCharsets.UTF_8);
		this.queues.send(this.queue, bytes);
		assertThat(receive(new Object() {

			void on(byte[] payload) {
				PayloadFormsIntegrationTests.this.received.add(new QueueMessage<>(0, "", payload, Map.of(), 0, null));
			}

		}).payload()).isEqualTo(bytes);
	}

	@ParameterizedTest
	@ValueSource(strings = { "lone \uD800 high", "lone \uDC00 low", "\uDC00\uD800 reversed" })
	void aLoneSurrogateArrivesUnchangedOrIsRefused(String text) {
		try {
			this.queues.send(this.queue, text);
		}
		catch (InvalidMessageException ex) {
			assertThat(ex).hasMessageContaining("surrogate");
			return;
		}
		assertThat(receiveText().payload()).isEqualTo(text);
	}

	@Test
	void aPayloadOfExactlyTheLargestSizeIsDelivered() {
		String text = "x".repeat(1024 * 1024 - 2);
		this.queues.send(this.queue, text);
		assertThat(receiveText().payload()).isEqualTo(text);
	}

	@Test
	void aRaisedLimitLetsLargerPayloadsThrough() {
		String text = "x".repeat(30_000_000);
		QueueTemplate.builder(this.database.dataSource()).maxPayload(64L * 1024 * 1024).build().send(this.queue, text);
		assertThat(receiveText().payload()).isEqualTo(text);
	}

	private QueueMessage<?> receiveText() {
		return receiveText(this.queue);
	}

	private QueueMessage<?> receiveText(String from) {
		this.application.handle(TestApplication.options(from).build(), this.received::add).start();
		return received();
	}

	private QueueMessage<?> receive(Object bean) {
		this.application.listen(TestApplication.options(this.queue).build(), bean).start();
		return received();
	}

	private QueueMessage<?> received() {
		Await.until("a message was received or given up",
				() -> !this.received.isEmpty() || !this.application.admin().deadLetters(this.queue, 1).isEmpty());
		QueueMessage<?> message = this.received.poll();
		assertThat(message)
			.as("received message; dead letters: %s", this.application.admin().deadLetters(this.queue, 1))
			.isNotNull();
		return message;
	}

	private String storedType() {
		return stored("json_typeof(m.payload)");
	}

	private String storedPayload() {
		return stored("m.payload::text");
	}

	private String storedHeaders() {
		return stored("m.headers::text");
	}

	private String stored(String expression) {
		return this.database.jdbc()
			.sql("SELECT " + expression
					+ " FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query((results, row) -> Optional.ofNullable(results.getString(1)))
			.single()
			.orElse(null);
	}

	public record Invoice(String id, BigDecimal total, Instant at, List<String> lines) {
	}

}
