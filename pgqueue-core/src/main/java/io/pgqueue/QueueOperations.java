package io.pgqueue;

import java.util.List;
import java.util.function.Consumer;

/**
 * Sends messages. Applications inject it, usually as
 * {@link io.pgqueue.client.QueueTemplate}.
 * <p>
 * Every method joins the Spring transaction that is bound to the queue's DataSource: the
 * message exists exactly if that transaction commits. Without one, the call commits by
 * itself.
 * <p>
 * Payloads: an object or {@code String} is stored as JSON, {@code byte[]} as base64, a
 * {@link org.springframework.messaging.Message} as its payload and headers.
 */
public interface QueueOperations {

	/**
	 * Sends one message.
	 * @param queue name of a declared queue
	 * @param payload the payload
	 * @return the identity of the message
	 * @throws UnknownQueueException if the queue was never declared
	 * @throws InvalidMessageException if the payload cannot be stored
	 * @throws SendRejectedException if the surrounding transaction does not allow it
	 */
	SendResult send(String queue, Object payload);

	/**
	 * Sends one message with options.
	 * @param queue name of a declared queue
	 * @param payload the payload
	 * @param options sets the options
	 * @return the identity of the message
	 * @throws UnknownQueueException if the queue was never declared
	 * @throws InvalidMessageException if the payload or a header cannot be stored
	 * @throws SendRejectedException if the surrounding transaction does not allow it
	 */
	SendResult send(String queue, Object payload, Consumer<SendOptions> options);

	/**
	 * Sends any number of messages, all or none. The payloads are read as a stream and
	 * stored in chunks, one statement each; only the identities are kept in memory.
	 * @param queue name of a declared queue
	 * @param payloads the payloads, iterated once
	 * @return the identities, in the order of the payloads
	 * @throws UnknownQueueException if the queue was never declared
	 * @throws InvalidMessageException if a payload cannot be stored; the message says
	 * which
	 * @throws SendRejectedException if the surrounding transaction does not allow it
	 */
	List<SendResult> sendAll(String queue, Iterable<?> payloads);

	/**
	 * Sends any number of messages with the same options, all or none.
	 * @param queue name of a declared queue
	 * @param payloads the payloads, iterated once
	 * @param options sets the options of every message
	 * @return the identities, in the order of the payloads
	 * @throws UnknownQueueException if the queue was never declared
	 * @throws InvalidMessageException if a payload or a header cannot be stored; the
	 * message says which
	 * @throws SendRejectedException if the surrounding transaction does not allow it
	 */
	List<SendResult> sendAll(String queue, Iterable<?> payloads, Consumer<SendOptions> options);

}
