package io.pgqueue.wakeup;

import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ThreadLocalRandom;

import org.jspecify.annotations.Nullable;

/**
 * Who in this application waits for messages of which queue, and how long they may sleep.
 * <p>
 * Invariants: nobody sleeps past a poll interval unless somebody else looks for him.
 * <ol>
 * <li>Nobody sleeps past his own poll interval unless notifications arrive.</li>
 * <li>Nobody sleeps past the interval that goes with notifications unless, besides, the
 * worker looks around for him, which it does at least as often. It does while its last
 * look succeeded and is no older than three of its intervals, and was made while
 * notifications arrived.</li>
 * <li>When one of them ends, that is written here first, and then everybody who waits is
 * signalled. A sleeper asks for his pace after he was last woken, and a signal that comes
 * between that and his sleep is kept: he sleeps by what is true now, or not at all.</li>
 * <li>Each of the two is watched by a thread that cannot hang together with it. The
 * worker reports its own failures; that it hangs, on a connection whose other end is gone
 * for example, is noticed by the thread that listens for notifications, which never waits
 * for longer than a few seconds, and reports its own failures likewise.</li>
 * </ol>
 */
public final class WakeUps {

	/**
	 * How long somebody sleeps for whom the worker looks around.
	 */
	private static final Duration LONG_SLEEP = Duration.ofHours(2);

	private static final Duration SHORTEST_LOOK_INTERVAL = Duration.ofMillis(100);

	/**
	 * Intervals without a look after which nobody relies on the worker.
	 */
	private static final int MOST_MISSED_LOOKS = 3;

	private final Map<String, List<Waiter>> waiting = new ConcurrentHashMap<>();

	private final Map<Integer, String> names = new ConcurrentHashMap<>();

	private final Alarm alarm = new Alarm();

	private final WakeUp worker = new WakeUp();

	private final OutageLog outages = new OutageLog();

	private volatile @Nullable Notifier notifier;

	private volatile Duration safetyInterval = Duration.ZERO;

	private volatile @Nullable Look look;

	/**
	 * Whether the worker goes on looking, as far as it is known.
	 */
	private volatile boolean lookedAfter;

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
	 * @param subscription number of the subscription that is waited for
	 * @param wakeUp is signalled when the queue may hold something new
	 */
	public void add(String queue, int id, int subscription, WakeUp wakeUp) {
		this.names.put(id, queue);
		this.waiting.computeIfAbsent(queue, (name) -> new CopyOnWriteArrayList<>())
			.add(new Waiter(id, subscription, wakeUp));
	}

	/**
	 * Removes somebody who waited.
	 * @param queue name of the queue
	 * @param wakeUp is signalled no more
	 */
	public void remove(String queue, WakeUp wakeUp) {
		List<Waiter> waiters = this.waiting.get(queue);
		if (waiters != null) {
			waiters.removeIf((waiter) -> waiter.wakeUp() == wakeUp);
		}
	}

	/**
	 * Signals everybody in this application who waits for a queue.
	 * @param queue name of the queue
	 */
	public void wake(String queue) {
		List<Waiter> waiters = this.waiting.get(queue);
		if (waiters != null) {
			waiters.forEach((waiter) -> waiter.wakeUp().signal());
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
		wakeSleepers();
		this.worker.signal();
	}

	private void wakeSleepers() {
		this.waiting.keySet().forEach(this::wake);
		this.alarm.signal();
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
	 * Sets how long somebody may sleep who relies on notifications.
	 * @param interval the time; zero while signals from other processes do not arrive
	 */
	void setSafetyInterval(Duration interval) {
		Duration before = this.safetyInterval;
		this.lookedAfter = false;
		this.safetyInterval = interval;
		if (interval.compareTo(before) < 0) {
			wakeSleepers();
		}
		// It looks at another pace from now on.
		this.worker.signal();
	}

	private boolean isArriving() {
		return this.safetyInterval.compareTo(Duration.ZERO) > 0;
	}

	/**
	 * Returns how long somebody may sleep now, a little less each time, so that not
	 * everybody looks at the same moment.
	 * @param pollInterval how long while signals from other processes do not arrive
	 * @return that, or longer while they do, or very long while the worker looks as well
	 */
	public Duration pace(Duration pollInterval) {
		Duration longest = longestPause(pollInterval);
		boolean rests = isArriving() && isLookedAfter() && longest.compareTo(LONG_SLEEP) < 0;
		return jittered(rests ? LONG_SLEEP : longest);
	}

	private boolean isLookedAfter() {
		Look last = this.look;
		return this.lookedAfter && last != null && last.isRecent();
	}

	/**
	 * Returns how long a queue is left alone at most, by those who wait for it and by the
	 * worker that looks around for them.
	 * @param pollInterval how long while signals from other processes do not arrive
	 * @return that, or longer while they do
	 */
	public Duration longestPause(Duration pollInterval) {
		Duration longer = this.safetyInterval;
		return (longer.compareTo(pollInterval) > 0) ? longer : pollInterval;
	}

	/**
	 * Takes up to a tenth off a duration, at random.
	 * @param duration the longest
	 * @return at least nine tenths of it
	 */
	public static Duration jittered(Duration duration) {
		return duration.minus(duration.dividedBy(1_000).multipliedBy(ThreadLocalRandom.current().nextInt(100)));
	}

	/**
	 * Returns how often the worker is to look around.
	 * @param heartbeat how long it leaves between two looks at most
	 * @return that, or less if those who rely on notifications would look more often
	 */
	public Duration lookInterval(Duration heartbeat) {
		if (!isArriving()) {
			return heartbeat;
		}
		return Collections.min(List.of(heartbeat, longestPause(SHORTEST_LOOK_INTERVAL)));
	}

	/**
	 * Tells whether somebody would rely on the worker if it looked.
	 * @return whether notifications arrive, but the worker has not looked since they do
	 */
	public boolean isLookMissing() {
		return isArriving() && !this.lookedAfter;
	}

	/**
	 * Returns what the worker is to look into for those who rely on it.
	 * @return numbers of subscriptions, each with that of its queue; empty while nobody
	 * does, because notifications do not arrive
	 */
	public Map<Integer, Integer> subscriptions() {
		Map<Integer, Integer> found = new HashMap<>();
		if (isArriving()) {
			this.waiting.values()
				.forEach((waiters) -> waiters.forEach((waiter) -> found.put(waiter.subscription(), waiter.queue())));
		}
		return found;
	}

	/**
	 * Reports that the worker has looked into everything that somebody waits for, and
	 * signals those who wait for what it has found.
	 * @param holding numbers of the subscriptions that hold something
	 * @param at monotonic time at which the look began
	 * @param interval time until the next look
	 */
	public void looked(Set<Integer> holding, long at, Duration interval) {
		if (isArriving()) {
			this.look = new Look(at, interval.multipliedBy(MOST_MISSED_LOOKS));
			this.lookedAfter = true;
			this.waiting.values().forEach((waiters) -> waiters.forEach((waiter) -> {
				if (holding.contains(waiter.subscription())) {
					waiter.wakeUp().signal();
				}
			}));
		}
	}

	/**
	 * Reports that the worker could not look around, so that everybody looks for himself.
	 */
	public void notLooked() {
		if (this.lookedAfter) {
			this.lookedAfter = false;
			wakeSleepers();
		}
	}

	/**
	 * Has everybody look for himself if the worker has not looked around for some time.
	 * Called at short intervals by a thread that cannot hang together with it.
	 */
	void supervise() {
		if (!isLookedAfter()) {
			notLooked();
		}
	}

	/**
	 * Returns when a queue was last looked into, by somebody who rests or for him.
	 * @param own monotonic time of his own last look
	 * @return that, or the time of the worker's last look if that was later
	 */
	public long lastLook(long own) {
		Look last = this.look;
		return (last != null && last.at() - own > 0) ? last.at() : own;
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

	/**
	 * Somebody who waits.
	 *
	 * @param queue number of the queue
	 * @param subscription number of the subscription
	 * @param wakeUp what wakes him
	 */
	private record Waiter(int queue, int subscription, WakeUp wakeUp) {
	}

	/**
	 * A look of the worker.
	 *
	 * @param at monotonic time at which it began
	 * @param counts how long it counts
	 */
	private record Look(long at, Duration counts) {

		boolean isRecent() {
			return Duration.ofNanos(System.nanoTime() - this.at).compareTo(this.counts) < 0;
		}

	}

}
