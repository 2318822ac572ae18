package io.pgqueue.samples.benchmark.system;

/**
 * What a workload wants of a system.
 */
public enum Mode {

	/**
	 * Messages are only sent.
	 */
	SEND,

	/**
	 * A handler that takes one message and returns at once.
	 */
	SINGLE,

	/**
	 * The same, but another process sends.
	 */
	REMOTE,

	/**
	 * A handler that takes a list.
	 */
	BATCH,

	/**
	 * {@value Mode#HANDLERS} handlers at a time, each waiting for something else.
	 */
	WAITING,

	/**
	 * {@value Mode#HANDLERS} handlers at a time, each with one insert in a transaction.
	 */
	TRANSACTIONAL,

	/**
	 * {@value Mode#IDLE_QUEUES} queues, or whatever the system has instead, to which
	 * nothing is sent.
	 */
	IDLE,

	/**
	 * {@value Mode#SENDING_THREADS} threads send at a time, each message in a transaction
	 * with one insert. What consumes only listens for notifications.
	 */
	SENDERS;

	/**
	 * How many handlers may run at a time in {@link #WAITING} and {@link #TRANSACTIONAL}.
	 */
	public static final int HANDLERS = 64;

	/**
	 * How many queues there are in {@link #IDLE}.
	 */
	public static final int IDLE_QUEUES = 100;

	/**
	 * How many threads send at a time in {@link #SENDERS}.
	 */
	public static final int SENDING_THREADS = 16;

}
