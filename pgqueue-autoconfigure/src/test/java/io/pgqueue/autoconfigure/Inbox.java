package io.pgqueue.autoconfigure;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.annotation.QueueListener;

/**
 * Handles the texts in the queue that {@code inbox.queue} names. Fails as often as a text
 * that begins with "fail" is delivered.
 */
public class Inbox {

	private final List<String> received = new CopyOnWriteArrayList<>();

	@QueueListener(id = "inbox", queue = "${inbox.queue:inbox}")
	void on(String text) {
		this.received.add(text);
		if (text.startsWith("fail")) {
			throw new IllegalStateException("Asked to fail by '" + text + "'");
		}
	}

	/**
	 * What was delivered, in this order, failed deliveries included.
	 */
	public List<String> received() {
		return this.received;
	}

}
