package io.pgqueue.listener;

import java.util.concurrent.atomic.AtomicReference;

import org.jspecify.annotations.Nullable;

/**
 * Lets one suspect at a time into the hands of this process: a message that was in hand
 * when the last two processes died. The one that kills them takes no other suspect with
 * it then, so that those who were only near it do not spend all their attempts.
 */
final class Quarantine {

	private final AtomicReference<@Nullable Delivery> inside = new AtomicReference<>();

	/**
	 * Lets a suspect in unless there is one already.
	 * @return false if it must be handed back at once
	 */
	boolean enter(Delivery suspect) {
		Delivery before = this.inside.get();
		return (before == null || before.isDecided()) && this.inside.compareAndSet(before, suspect);
	}

}
