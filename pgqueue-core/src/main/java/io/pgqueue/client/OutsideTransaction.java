package io.pgqueue.client;

/**
 * What a send does when there is no transaction that it could join.
 */
public enum OutsideTransaction {

	/**
	 * It commits by itself.
	 */
	ALLOW,

	/**
	 * It commits by itself and logs a warning.
	 */
	WARN,

	/**
	 * It is refused.
	 */
	REJECT

}
