package io.pgqueue.wakeup;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Who in this application waits for messages of which queue.
 */
public final class WakeUps {

	private final Map<String, List<WakeUp>> waiting = new ConcurrentHashMap<>();

	private final Alarm alarm = new Alarm();

	private final WakeUp worker = new WakeUp();

	/**
	 * Adds somebody who waits.
	 * @param queue name of the queue
	 * @param wakeUp is signalled when the queue may hold something new
	 */
	public void add(String queue, WakeUp wakeUp) {
		this.waiting.computeIfAbsent(queue, (name) -> new CopyOnWriteArrayList<>()).add(wakeUp);
	}

	/**
	 * Removes somebody who waited.
	 * @param queue name of the queue
	 * @param wakeUp is signalled no more
	 */
	public void remove(String queue, WakeUp wakeUp) {
		List<WakeUp> waiters = this.waiting.get(queue);
		if (waiters != null) {
			waiters.remove(wakeUp);
		}
	}

	/**
	 * Signals everybody who waits for a queue.
	 * @param queue name of the queue
	 */
	public void wake(String queue) {
		List<WakeUp> waiters = this.waiting.get(queue);
		if (waiters != null) {
			waiters.forEach(WakeUp::signal);
		}
	}

	/**
	 * Returns what wakes the thread of this application that promotes scheduled messages.
	 * @return the alarm
	 */
	public Alarm alarm() {
		return this.alarm;
	}

	/**
	 * Returns what wakes the thread that gives this application's signs of life, which
	 * also looks for messages to give up.
	 * @return the wake-up
	 */
	public WakeUp worker() {
		return this.worker;
	}

}
