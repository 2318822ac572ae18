package io.pgqueue;

/**
 * Why a message is a dead letter whose logical type none of the {@code @QueueHandler}
 * methods takes. Seen by {@link QueueErrorHandler error handlers}.
 */
public class UnknownTypeException extends DeadLetterException {

	/**
	 * Creates an exception.
	 * @param reason what is missing, and which types are known
	 */
	public UnknownTypeException(String reason) {
		super(reason);
	}

}
