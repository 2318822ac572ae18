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
 * A send may be delayed, and a message that nobody has claimed may be cancelled.
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

	/**
	 * Cancels a message unless somebody has claimed it. What was
	 * {@link Cancellation#CANCELLED} is never handled, however close a worker was.
	 * <p>
	 * Joins the Spring transaction that is bound to the queue's DataSource: a rollback
	 * brings the message back, and until the end of the transaction it is not handled. A
	 * message that waits in the queue, as opposed to one that is delayed, is looked for
	 * among all those that wait with it; this takes a second connection for a moment, and
	 * should the transaction roll back, the message comes back out of its order, a few
	 * seconds later at most.
	 * @param queue name of a declared queue
	 * @param id identity of the message, as {@link SendResult#id()} told
	 * @return what became of it
	 * @throws UnknownQueueException if the queue was never declared
	 * @throws SendRejectedException if the surrounding transaction is read-only, or not
	 * at READ COMMITTED, where it could not see what to cancel
	 */
	Cancellation cancel(String queue, long id);

}
