package io.pgqueue;

/**
 * Names of message headers. Handlers read them with
 * {@link org.springframework.messaging.handler.annotation.Header @Header}. Names with the
 * prefix {@value #PREFIX} are set by the library and refused by a send.
 */
public final class QueueHeaders {

	/**
	 * Prefix of every header that the library sets.
	 */
	public static final String PREFIX = "pgqueue_";

	/**
	 * Identity of the message for life, a {@link Long}.
	 */
	public static final String ID = PREFIX + "id";

	/**
	 * Name of the queue, a {@link String}.
	 */
	public static final String QUEUE = PREFIX + "queue";

	/**
	 * Name of the subscription that the handler reads for, a {@link String}.
	 */
	public static final String SUBSCRIPTION = PREFIX + "subscription";

	/**
	 * Number of this delivery, an {@link Integer} that starts at 1.
	 */
	public static final String ATTEMPT = PREFIX + "attempt";

	/**
	 * When the message was sent by the clock of the database, an
	 * {@link java.time.Instant}.
	 */
	public static final String ENQUEUED_AT = PREFIX + "enqueued_at";

	/**
	 * How often the message was redriven from the dead letters, an {@link Integer}.
	 * Absent, like the three that follow, unless it was.
	 */
	public static final String REDRIVES = PREFIX + "redrives";

	/**
	 * When the message last became a dead letter by the clock of the database, a
	 * {@link String} that {@link java.time.Instant#parse(CharSequence)} reads.
	 */
	public static final String DEAD_AT = PREFIX + "dead_at";

	/**
	 * Why the message last became a dead letter, a {@link String}.
	 */
	public static final String DEAD_REASON = PREFIX + "dead_reason";

	/**
	 * Class of what its handler threw when the message last became a dead letter, a
	 * {@link String}. Absent also if nothing was thrown.
	 */
	public static final String DEAD_ERROR_CLASS = PREFIX + "dead_error_class";

	/**
	 * Media type of the payload, a {@link String}. Absent for JSON,
	 * {@code application/octet-stream} for {@code byte[]}.
	 */
	public static final String CONTENT_TYPE = "content-type";

	/**
	 * Logical type of the payload, a {@link String} that sender and handler agree on, for
	 * queues that carry several types. Set with {@link SendOptions#type(String)}; chooses
	 * the {@code @QueueHandler} method. Never the name of a class.
	 */
	public static final String TYPE = "type";

	private QueueHeaders() {
	}

}
