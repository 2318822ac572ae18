package io.pgqueue.wakeup;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

import org.jspecify.annotations.Nullable;

/**
 * Who in this application waits for messages of which queue, and how long they may sleep.
 */
public final class WakeUps {

	private final Map<String, List<WakeUp>> waiting = new ConcurrentHashMap<>();

	private final Map<Integer, String> names = new ConcurrentHashMap<>();

	private final Alarm alarm = new Alarm();

	private final WakeUp worker = new WakeUp();

	private final OutageLog outages = new OutageLog();

	private volatile @Nullable Notifier notifier;

	private volatile Duration safetyInterval = Duration.ZERO;

	/**
	 * Returns where all threads of this application report what the database does not do.
	 * @return the log
	 */
	public OutageLog outages() {
		return this.outages;
	}

	/**
	 * Adds somebody who waits.
	 * @param queue name of the queue
	 * @param id number of the queue, by which other processes name it
	 * @param wakeUp is signalled when the queue may hold something new
	 */
	public void add(String queue, int id, WakeUp wakeUp) {
		this.names.put(id, queue);
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
	 * Signals everybody in this application who waits for a queue.
	 * @param queue name of the queue
	 */
	public void wake(String queue) {
		List<WakeUp> waiters = this.waiting.get(queue);
		if (waiters != null) {
			waiters.forEach(WakeUp::signal);
		}
	}

	/**
	 * Signals everybody in this application who waits for a queue.
	 * @param id number of the queue; nobody waits for one that is unknown here
	 */
	public void wake(int id) {
		String queue = this.names.get(id);
		if (queue != null) {
			wake(queue);
		}
	}

	/**
	 * Signals everybody in this application who waits for anything.
	 */
	public void wakeAll() {
		this.waiting.keySet().forEach(this::wake);
		this.alarm.signal();
		this.worker.signal();
	}

	/**
	 * Signals everybody who waits for a queue, in this application and in others.
	 * @param queue name of the queue
	 */
	public void announce(String queue) {
		wake(queue);
		Notifier others = this.notifier;
		if (others != null) {
			others.add(queue);
		}
	}

	/**
	 * Reports that a message was scheduled, to this application and to others.
	 * @param dueIn time until it is due
	 */
	public void announceScheduled(Duration dueIn) {
		this.alarm.due(dueIn);
		tellOthers(Sign.SCHEDULED);
	}

	/**
	 * Reports that somebody, here or elsewhere, was asked to give a message up.
	 */
	public void announceCancelled() {
		this.worker.signal();
		tellOthers(Sign.CANCELLED);
	}

	/**
	 * Signals everybody who waits for anything, in this application and in others.
	 */
	public void announceEverything() {
		wakeAll();
		tellOthers(Sign.EVERYTHING);
	}

	private void tellOthers(Sign sign) {
		Notifier others = this.notifier;
		if (others != null) {
			others.add(sign);
		}
	}

	/**
	 * Tells others from now on.
	 * @param others sends to them
	 */
	public void announceTo(Notifier others) {
		this.notifier = others;
	}

	/**
	 * Sets how long somebody may sleep who relies on being woken.
	 * @param interval the time; zero while signals from other processes do not arrive
	 */
	void setSafetyInterval(Duration interval) {
		this.safetyInterval = interval;
	}

	/**
	 * Returns how long somebody may sleep at most.
	 * @param pollInterval how long while signals from other processes do not arrive
	 * @return that, or longer while they do
	 */
	public Duration pace(Duration pollInterval) {
		Duration longer = this.safetyInterval;
		return (longer.compareTo(pollInterval) > 0) ? longer : pollInterval;
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
