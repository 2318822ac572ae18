package io.pgqueue.listener;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Leases.Held;

/**
 * What names one delivery of a pulled message to whoever settles it.
 *
 * @param receiver number under which it is held
 * @param held the message and its lease
 * @param redelivered whether it had come back from retry
 * @param queue name of the queue
 */
record Receipt(long receiver, Held held, boolean redelivered, String queue) {

	private static final Pattern FORM = Pattern
		.compile("(\\d{1,18})-(\\d{1,18})-(\\d{1,18})-([fr])-([A-Za-z0-9._-]{1,100})");

	static Receipt of(long receiver, ClaimedMessage message, String queue) {
		return new Receipt(receiver, new Held(message.lease(), message.id()), message.redelivered(), queue);
	}

	static Receipt parse(String text) {
		Matcher parts = FORM.matcher(text);
		if (!parts.matches()) {
			throw new IllegalArgumentException("The receipt, of " + text.length()
					+ " characters, is not one: pass what ReceivedMessage#receipt returned");
		}
		Held held = new Held(Long.parseLong(parts.group(2)), Long.parseLong(parts.group(3)));
		return new Receipt(Long.parseLong(parts.group(1)), held, parts.group(4).equals("r"), parts.group(5));
	}

	String text() {
		return this.receiver + "-" + this.held.lease() + "-" + this.held.id() + "-" + (this.redelivered ? "r" : "f")
				+ "-" + this.queue;
	}

}
