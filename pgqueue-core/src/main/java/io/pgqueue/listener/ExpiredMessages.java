package io.pgqueue.listener;

/**
 * What becomes of messages whose time to live is over before a listener claims them.
 */
public enum ExpiredMessages {

	/**
	 * They are counted and go away.
	 */
	DISCARD,

	/**
	 * They are counted and become dead letters.
	 */
	DEAD_LETTER

}
