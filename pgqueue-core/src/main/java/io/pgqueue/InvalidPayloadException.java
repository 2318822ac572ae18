package io.pgqueue;

/**
 * Why a message is a dead letter whose payload could be read but breaks the constraints
 * that its handler asks for with {@code @Valid}. Seen by {@link QueueErrorHandler error
 * handlers}.
 */
public class InvalidPayloadException extends DeadLetterException {

	/**
	 * Creates an exception.
	 * @param reason the fields that are not valid, without their values
	 */
	public InvalidPayloadException(String reason) {
		super(reason);
	}

}
