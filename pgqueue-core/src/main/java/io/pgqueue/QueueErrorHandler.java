package io.pgqueue;

/**
 * Decides what happens to a message whose handler failed, after the {@link RetryPolicy}
 * has had its say. Implemented by applications: a single bean of this type serves all
 * listeners, {@code @QueueListener(errorHandler)} names one for a listener.
 * <p>
 * Called once per failed delivery on the thread of the handler, after its transaction has
 * been rolled back; in a batch, once per message. Not called when the container stops,
 * nor for a message whose attempts were spent by processes that died.
 * <p>
 * When it throws, its exception is logged and the verdict of the policy stands.
 */
@FunctionalInterface
public interface QueueErrorHandler {

	/**
	 * Decides about a failed delivery.
	 * @param message the message, with its payload as the JSON that is stored, because it
	 * may be the payload that cannot be read; {@link QueueMessage#attempt()} is the
	 * number of the delivery that failed
	 * @param failure what the handler threw, or why the message did not get to it
	 * @param verdict what the retry policy says
	 * @return what happens to the message: usually the given verdict;
	 * {@link Verdict.Complete} acknowledges it. A {@link Verdict.Retry} that counts is a
	 * dead letter after the last attempt
	 */
	Verdict handle(QueueMessage<String> message, Throwable failure, Verdict verdict);

}
