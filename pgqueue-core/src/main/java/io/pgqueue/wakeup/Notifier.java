package io.pgqueue.wakeup;

import java.time.Duration;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

import org.jspecify.annotations.Nullable;

/**
 * Tells other processes what this one has committed. However many transactions commit, it
 * sends one notification every few milliseconds, the first one at once, in a transaction
 * of its own: a NOTIFY takes a lock for the whole server at its commit, which must never
 * be part of a business transaction. One thread.
 */
public final class Notifier {

	/**
	 * Least time between two notifications.
	 */
	static final Duration PACE = Duration.ofMillis(5);

	private static final Duration LONGEST_PACE = Duration.ofMillis(50);

	/**
	 * How many times as long as a notification took there is none: where the machine is
	 * busy, those who send matter more than those who are told.
	 */
	private static final int PAUSES = 5;

	/**
	 * Keeps a notification far below the 8000 bytes that the server allows.
	 */
	private static final int MOST_QUEUES = 500;

	private static final Duration AFTER_FAILURE = Duration.ofSeconds(1);

	private static final Duration STOP_LIMIT = Duration.ofSeconds(2);

	private static final String FAILURE = "Other processes cannot be notified, they find what was sent when they poll";

	private final Consumer<News> sender;

	private final OutageLog outages;

	private final WakeUp wakeUp = new WakeUp();

	private final WakeUp stop = new WakeUp();

	private final Set<String> queues = new HashSet<>();

	private final Set<Sign> signs = EnumSet.noneOf(Sign.class);

	private volatile @Nullable Thread thread;

	/**
	 * Creates a notifier that is not yet running.
	 * @param sender sends one notification; what it throws is logged
	 * @param outages where it is logged
	 */
	public Notifier(Consumer<News> sender, OutageLog outages) {
		this.sender = sender;
		this.outages = outages;
	}

	/**
	 * Starts to send. Until then nothing is collected.
	 */
	public synchronized void start() {
		if (this.thread == null) {
			Thread started = new Thread(this::run, "pgqueue-notifier");
			started.setDaemon(true);
			this.thread = started;
			started.start();
		}
	}

	/**
	 * Sends what was collected and stops, within two seconds.
	 */
	public void stop() {
		Thread stopping = this.thread;
		this.thread = null;
		if (stopping == null) {
			return;
		}
		this.stop.signal();
		this.wakeUp.signal();
		try {
			stopping.join(STOP_LIMIT.toMillis());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

	/**
	 * Reports that a queue holds something new.
	 * @param queue name of the queue
	 */
	public void add(String queue) {
		if (this.thread != null) {
			synchronized (this) {
				this.queues.add(queue);
			}
			this.wakeUp.signal();
		}
	}

	/**
	 * Reports something that does not concern one queue.
	 * @param sign what it is
	 */
	public void add(Sign sign) {
		if (this.thread != null) {
			synchronized (this) {
				this.signs.add(sign);
			}
			this.wakeUp.signal();
		}
	}

	private void run() {
		while (this.thread == Thread.currentThread()) {
			this.wakeUp.await(Duration.ofMinutes(1));
			long started = System.nanoTime();
			this.stop.await(send() ? pause(System.nanoTime() - started) : AFTER_FAILURE);
		}
		send();
		this.outages.ended(FAILURE);
	}

	private static Duration pause(long nanosTaken) {
		Duration pause = Duration.ofNanos(nanosTaken).multipliedBy(PAUSES);
		return Collections.min(List.of(Collections.max(List.of(pause, PACE)), LONGEST_PACE));
	}

	private boolean send() {
		try {
			News news = take();
			if (news != null) {
				this.sender.accept(news);
			}
			this.outages.worked(FAILURE);
			return true;
		}
		catch (RuntimeException | Error ex) {
			this.outages.failed(FAILURE, ex);
			return false;
		}
	}

	private synchronized @Nullable News take() {
		if (this.queues.isEmpty() && this.signs.isEmpty()) {
			return null;
		}
		Set<String> some = this.queues.stream().limit(MOST_QUEUES).collect(Collectors.toSet());
		News news = new News(some, Set.copyOf(this.signs));
		this.queues.removeAll(some);
		this.signs.clear();
		if (!this.queues.isEmpty()) {
			this.wakeUp.signal();
		}
		return news;
	}

	/**
	 * What others may want to know.
	 *
	 * @param queues names of queues that hold something new
	 * @param signs what else
	 */
	public record News(Set<String> queues, Set<Sign> signs) {
	}

}
