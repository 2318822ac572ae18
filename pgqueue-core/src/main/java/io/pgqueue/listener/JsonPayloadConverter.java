package io.pgqueue.listener;

import java.lang.reflect.Type;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

import io.pgqueue.QueueHeaders;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DatabindException;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.messaging.Message;
import org.springframework.messaging.MessageHeaders;
import org.springframework.messaging.converter.MessageConversionException;
import org.springframework.messaging.converter.SmartMessageConverter;

/**
 * Reads stored payloads: JSON into the type that the handler names, a JSON string into a
 * {@code String}, base64 into {@code byte[]}. A handler that takes a {@code String} gets
 * anything but a JSON string as the JSON text that it is. The type never comes from the
 * message.
 */
public final class JsonPayloadConverter implements SmartMessageConverter {

	private final JsonMapper mapper;

	private final Map<Type, ObjectReader> readers = new ConcurrentHashMap<>();

	/**
	 * Creates a converter.
	 * @param mapper reads the JSON
	 */
	public JsonPayloadConverter(JsonMapper mapper) {
		this.mapper = mapper;
	}

	@Override
	public Object fromMessage(Message<?> message, Class<?> targetClass) {
		return fromMessage(message, targetClass, null);
	}

	/**
	 * Reads a payload.
	 * @param message has the JSON text as its payload
	 * @param targetClass the type to read
	 * @param conversionHint the generic {@link Type} to read, or null for the class
	 * @return the value
	 * @throws MessageConversionException if the payload is not of that type
	 */
	@Override
	public Object fromMessage(Message<?> message, Class<?> targetClass, @Nullable Object conversionHint) {
		String json = (String) message.getPayload();
		Type type = (conversionHint instanceof Type generic) ? generic : targetClass;
		try {
			if (targetClass == String.class && !json.stripLeading().startsWith("\"")) {
				return json;
			}
			if (targetClass == byte[].class && message.getHeaders().containsKey(QueueHeaders.CONTENT_TYPE)) {
				return Base64.getDecoder().decode(this.mapper.readValue(json, String.class));
			}
			Object value = this.readers
				.computeIfAbsent(type, (key) -> this.mapper.readerFor(this.mapper.constructType(key)))
				.readValue(json);
			if (value == null) {
				throw new MessageConversionException("The payload is the JSON null, which is no " + type.getTypeName());
			}
			return value;
		}
		catch (JacksonException | IllegalArgumentException ex) {
			throw new MessageConversionException(describe(type, ex));
		}
	}

	/**
	 * Not used: sending has a writer of its own.
	 */
	@Override
	public @Nullable Message<?> toMessage(Object payload, @Nullable MessageHeaders headers) {
		return null;
	}

	@Override
	public @Nullable Message<?> toMessage(Object payload, @Nullable MessageHeaders headers,
			@Nullable Object conversionHint) {
		return null;
	}

	// Keys of maps are data, other than the names of properties.
	private static String path(DatabindException ex) {
		return ex.getPath()
			.stream()
			.map((step) -> (step.getPropertyName() == null) ? "[" + step.getIndex() + "]"
					: isMap(step.from()) ? "[...]" : step.getPropertyName())
			.collect(Collectors.joining("."));
	}

	private static boolean isMap(@Nullable Object from) {
		return from instanceof Map || (from instanceof Class<?> type && Map.class.isAssignableFrom(type));
	}

	// Jackson's own text quotes the payload, which must not get into logs and error
	// columns.
	private static String describe(Type type, Exception ex) {
		String where = "";
		if (ex instanceof DatabindException databind && !databind.getPath().isEmpty()) {
			where = " at " + path(databind);
		}
		if (ex instanceof JacksonException jackson && jackson.getLocation() != null) {
			where += " (line " + jackson.getLocation().getLineNr() + ", column " + jackson.getLocation().getColumnNr()
					+ ")";
		}
		return "The payload cannot be read as " + type.getTypeName() + where + ": " + CauseNames.of(ex);
	}

}
