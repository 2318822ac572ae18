package io.pgqueue.listener;

import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

import io.pgqueue.QueueHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.core.ParameterizedTypeReference;
import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.support.GenericMessage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

class JsonPayloadConverterTests {

	private static final String SECRET = "4111-1111-1111-1111";

	private final JsonPayloadConverter converter = new JsonPayloadConverter(JsonMapper.shared());

	@Test
	void anObjectIsReadAsTheTypeThatIsAskedFor() {
		assertThat(read("{\"number\":\"1\",\"amount\":2}", Card.class)).isEqualTo(new Card("1", 2));
	}

	@Test
	void fieldsThatAreNotKnownAreIgnored() {
		assertThat(read("{\"number\":\"1\",\"amount\":2,\"new\":[]}", Card.class)).isEqualTo(new Card("1", 2));
	}

	@Test
	void theHintKeepsTypeArguments() {
		Type type = new ParameterizedTypeReference<Map<Integer, List<Long>>>() {
		}.getType();
		assertThat(this.converter.fromMessage(message("{\"1\":[2]}"), Map.class, type))
			.isEqualTo(Map.of(1, List.of(2L)));
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', quoteCharacter = '`', value = { "\"text\"|text", " \"text\"|text", "\"\"|``",
			"{\"a\": 1}|{\"a\": 1}", "42|42", "true|true", "[ ]|[ ]" })
	void aStringIsTheTextOfAJsonStringOrElseTheJson(String json, String text) {
		assertThat(read(json, String.class)).isEqualTo(text);
	}

	@Test
	void bytesAreReadFromBase64() {
		byte[] bytes = "text".getBytes(StandardCharsets.UTF_8);
		Map<String, Object> headers = Map.of(QueueHeaders.CONTENT_TYPE, "application/octet-stream");
		assertThat(this.converter.fromMessage(new GenericMessage<>("\"dGV4dA==\"", headers), byte[].class))
			.isEqualTo(bytes);
		assertThat(read("\"dGV4dA==\"", byte[].class)).isEqualTo(bytes);
	}

	@Test
	void bytesThatAreNotBase64AreRefused() {
		Map<String, Object> headers = Map.of(QueueHeaders.CONTENT_TYPE, "application/octet-stream");
		MessageConversionException failure = catchThrowableOfType(MessageConversionException.class,
				() -> this.converter.fromMessage(new GenericMessage<>("\"" + SECRET + "!\"", headers), byte[].class));
		assertThat(failure.getMessage()).contains("cannot be read as byte[]").doesNotContain("4111");
	}

	@ParameterizedTest
	@ValueSource(strings = { "\"" + SECRET + "\"", "[\"" + SECRET + "\"]", "{\"number\":{\"" + SECRET + "\":1}}",
			"{\"amount\":\"" + SECRET + "\"}", "{\"amount\":4111111111111111}", "{\"number\":\"" + SECRET + "\",",
			SECRET, "{'" + SECRET + "'}" })
	void aFailureSaysWhereAndQuotesNothing(String json) {
		MessageConversionException failure = failure(json, Card.class);
		assertThat(failure.getMessage()).startsWith("The payload cannot be read as " + Card.class.getName())
			.doesNotContain("4111");
		assertThat(failure.getCause()).as("its text would be logged with the stack trace").isNull();
	}

	@Test
	void aFailureNamesTheField() {
		assertThat(failure("{\"number\":\"1\",\"amount\":\"many\"}", Card.class).getMessage()).contains("amount")
			.contains("line 1")
			.doesNotContain("many");
	}

	@Test
	void aFailureNamesTheClassOfItsCause() {
		assertThat(failure("{\"text\":\"" + SECRET + "\"}", Picky.class).getMessage())
			.contains("ValueInstantiationException, caused by UnsupportedOperationException")
			.doesNotContain("4111");
	}

	@Test
	void aFailureQuotesNoKeysOfMaps() {
		Type type = new ParameterizedTypeReference<Map<String, Integer>>() {
		}.getType();
		MessageConversionException failure = catchThrowableOfType(MessageConversionException.class,
				() -> this.converter.fromMessage(message("{\"" + SECRET + "\":\"x\"}"), Map.class, type));
		assertThat(failure.getMessage()).contains("cannot be read as").doesNotContain("4111");
	}

	@Test
	void theJsonNullIsNoPayload() {
		assertThat(failure("null", Card.class).getMessage()).contains("JSON null");
	}

	@Test
	void whatFollowsTheJsonIsNotIgnored() {
		assertThat(failure("{} {}", Card.class)).isNotNull();
	}

	private Object read(String json, Class<?> type) {
		return this.converter.fromMessage(message(json), type);
	}

	private MessageConversionException failure(String json, Class<?> type) {
		return catchThrowableOfType(MessageConversionException.class, () -> read(json, type));
	}

	private static GenericMessage<String> message(String json) {
		return new GenericMessage<>(json);
	}

	record Card(String number, int amount) {
	}

	record Picky(String text) {

		Picky {
			throw new UnsupportedOperationException("refused: " + text);
		}

	}

}
