package io.pgqueue.wakeup;

/**
 * What a notification may say besides which queues hold something new.
 */
public enum Sign {

	/**
	 * A message was scheduled.
	 */
	SCHEDULED("s"),

	/**
	 * Somebody was asked to give a message up.
	 */
	CANCELLED("c"),

	/**
	 * Any queue may hold something new.
	 */
	EVERYTHING("a");

	private final String code;

	Sign(String code) {
		this.code = code;
	}

	/**
	 * Returns how a notification says it.
	 * @return a letter, so that it is not the number of a queue
	 */
	public String code() {
		return this.code;
	}

}
