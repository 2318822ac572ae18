package io.pgqueue;

/**
 * When a delivered message is acknowledged, which is what makes it go away.
 */
public enum AckMode {

	/**
	 * The acknowledgement follows the handler. If the handler opens a transaction on the
	 * queue's DataSource, with {@code @Transactional}, it commits inside that
	 * transaction, so that the handler's effects happen exactly once. Any other handler's
	 * messages are acknowledged after it has returned: at least once.
	 */
	AUTO,

	/**
	 * The container opens a transaction for the handler and acknowledges inside it: the
	 * effects of the handler in the database happen exactly once.
	 */
	TRANSACTIONAL,

	/**
	 * The handler decides, with an {@link Acknowledgement} that it takes as an argument.
	 */
	MANUAL,

	/**
	 * The message is acknowledged before the handler is called: at most once. A failure
	 * is logged and counted, but there is no retry and no dead letter, except of a
	 * message that could not be converted, so that the handler never saw it.
	 */
	ON_RECEIVE

}
