package io.pgqueue;

import java.util.LinkedHashMap;
import java.util.Map;

import org.jspecify.annotations.Nullable;

/**
 * Options of one send, filled in by the caller's lambda:
 * {@code queues.send("orders", order, (o) -> o.header("tenant", "acme"))}.
 */
public final class SendOptions {

	private final Map<String, @Nullable Object> headers = new LinkedHashMap<>();

	/**
	 * Sets a header.
	 * @param name name of the header; must not begin with {@link QueueHeaders#PREFIX}
	 * @param value a string, number or boolean; {@code null} removes the header
	 * @return these options
	 */
	public SendOptions header(String name, @Nullable Object value) {
		this.headers.put(name, value);
		return this;
	}

	/**
	 * Sets several headers.
	 * @param headers names and values, as for {@link #header(String, Object)}
	 * @return these options
	 */
	public SendOptions headers(Map<String, ?> headers) {
		this.headers.putAll(headers);
		return this;
	}

	/**
	 * Sets the logical type of the payload, which chooses a {@code @QueueHandler} method
	 * where a queue carries several types. Stored as the header
	 * {@value QueueHeaders#TYPE}.
	 * @param type a name that sender and handler agree on, such as {@code order-placed};
	 * not the name of a class, which would not survive a refactoring
	 * @return these options
	 */
	public SendOptions type(String type) {
		return header(QueueHeaders.TYPE, type);
	}

	/**
	 * Returns the headers set so far, for the template that sends.
	 * @return names and values
	 */
	public Map<String, @Nullable Object> headers() {
		return this.headers;
	}

}
