package io.pgqueue.client;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.QueueHeaders;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;

/**
 * Turns what an application sends into what is stored.
 */
final class PayloadWriter {

	/**
	 * The database refuses more, because a claim returns payloads as one result.
	 */
	static final long LARGEST_PAYLOAD = 64L * 1024 * 1024;

	private static final Set<String> TRANSIENT_HEADERS = Set.of(MessageHeaders.ID, MessageHeaders.TIMESTAMP,
			MessageHeaders.REPLY_CHANNEL, MessageHeaders.ERROR_CHANNEL);

	private final JsonMapper mapper;

	private final long maxPayload;

	PayloadWriter(JsonMapper mapper, long maxPayload) {
		this.mapper = mapper;
		this.maxPayload = maxPayload;
	}

	Stored write(@Nullable Object payload, Map<String, ?> options) {
		Map<String, @Nullable Object> headers = new LinkedHashMap<>();
		Object body = payload;
		if (payload instanceof Message<?> message) {
			message.getHeaders().forEach((name, value) -> {
				if (!TRANSIENT_HEADERS.contains(name) && !name.startsWith(QueueHeaders.PREFIX)) {
					headers.put(name, value);
				}
			});
			body = message.getPayload();
		}
		if (body == null) {
			throw new InvalidMessageException(
					"The payload is null: send an object, a String, a byte[] or a Message, for example an empty Map");
		}
		if (body instanceof byte[] bytes) {
			headers.put(QueueHeaders.CONTENT_TYPE, "application/octet-stream");
			body = Base64.getEncoder().encodeToString(bytes);
		}
		headers.putAll(options);
		String json = json(body);
		if (json.equals("null")) {
			throw new InvalidMessageException("A payload of type " + body.getClass().getName()
					+ " is the JSON null, which no handler could take");
		}
		requireFits(json, body);
		return new Stored(json, headers(headers));
	}

	private String json(Object body) {
		try {
			return escapeLoneSurrogates(this.mapper.writeValueAsString(body));
		}
		catch (JacksonException ex) {
			throw new InvalidMessageException("A payload of type " + body.getClass().getName()
					+ " cannot be written as JSON: " + ex.getOriginalMessage(), ex);
		}
		catch (StackOverflowError ex) {
			throw new InvalidMessageException("A payload of type " + body.getClass().getName()
					+ " cannot be written as JSON: it refers to itself or is nested too deeply", ex);
		}
	}

	/**
	 * Half a surrogate pair cannot be encoded in UTF-8, but JSON has an escape for it.
	 */
	private static String escapeLoneSurrogates(String json) {
		if (json.chars().noneMatch((character) -> Character.isSurrogate((char) character))) {
			return json;
		}
		StringBuilder escaped = new StringBuilder(json.length() + 16);
		json.codePoints().forEach((character) -> {
			if (character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE) {
				escaped.append(String.format("\\u%04x", character));
			}
			else {
				escaped.appendCodePoint(character);
			}
		});
		return escaped.toString();
	}

	private void requireFits(String json, Object body) {
		// No character takes more than three bytes, so most payloads need not be
		// measured.
		if (json.length() * 3L <= this.maxPayload) {
			return;
		}
		long size = json.getBytes(StandardCharsets.UTF_8).length;
		if (size > this.maxPayload) {
			throw new InvalidMessageException("A payload of type " + body.getClass().getName() + " has " + size
					+ " bytes as JSON, but pgqueue.template.max-payload allows " + this.maxPayload
					+ ": store it elsewhere and send a reference, or raise the limit");
		}
	}

	private @Nullable String headers(Map<String, @Nullable Object> headers) {
		headers.values().removeIf((value) -> value == null);
		if (headers.isEmpty()) {
			return null;
		}
		headers.forEach((name, value) -> {
			if (name == null) {
				throw new InvalidMessageException("A header has no name: its name is null");
			}
			if (name.startsWith(QueueHeaders.PREFIX)) {
				throw new InvalidMessageException("The header '" + name + "' cannot be set: names that begin with '"
						+ QueueHeaders.PREFIX + "' belong to the library");
			}
			if (!(value instanceof String || value instanceof Number || value instanceof Boolean)) {
				throw new InvalidMessageException("The header '" + name + "' is of type "
						+ ((value != null) ? value.getClass().getName() : "null")
						+ ", but only strings, numbers and booleans can be stored");
			}
		});
		String json = json(headers);
		requireFits(json, headers);
		return json;
	}

	/**
	 * A message as it is stored.
	 *
	 * @param payload payload as JSON
	 * @param headers headers as a JSON object, or null for none
	 */
	record Stored(String payload, @Nullable String headers) {

		long size() {
			return this.payload.length() + ((this.headers != null) ? this.headers.length() : 0);
		}

	}

}
