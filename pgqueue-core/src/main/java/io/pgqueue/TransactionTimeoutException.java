package io.pgqueue;

/**
 * The failure of a delivery whose transaction the server has ended, because of its
 * settings {@code idle_in_transaction_session_timeout} or {@code transaction_timeout}.
 * The transaction is rolled back. The cause is what the handler, or the commit, threw.
 */
public class TransactionTimeoutException extends PgQueueException {

	/**
	 * Creates an exception.
	 * @param message what happened, with which value, and what to do
	 * @param cause what was thrown
	 */
	public TransactionTimeoutException(String message, Throwable cause) {
		super(message, cause);
	}

}
