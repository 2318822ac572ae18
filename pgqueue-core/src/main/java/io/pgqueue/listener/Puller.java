package io.pgqueue.listener;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

import io.pgqueue.engine.Portion;
import io.pgqueue.engine.Pulls;
import io.pgqueue.engine.Pulls.Marks;
import io.pgqueue.engine.Pulls.Pull;
import io.pgqueue.engine.Pulls.PullRequest;
import io.pgqueue.engine.Queues;
import io.pgqueue.engine.WorkerGoneException;
import io.pgqueue.wakeup.OutageLog;
import org.jspecify.annotations.Nullable;

/**
 * Claims for a {@link QueueReceiver}: knows its number and the lease numbers it has used,
 * and gives back what others have held for too long. Thread-safe.
 */
final class Puller {

	private static final long PULL_BYTES = 16L * 1024 * 1024;

	private static final long FULL_LOOK_NANOS = Duration.ofSeconds(30).toNanos();

	/**
	 * How long to go on when there may be messages that another claim keeps from being
	 * seen, which takes milliseconds.
	 */
	private static final long BUSY_NANOS = Duration.ofSeconds(1).toNanos();

	private static final int MOST = 10_000;

	private final OutageLog outages = new OutageLog();

	/**
	 * How many messages to claim at most, whatever is asked for.
	 */
	private final Portion portion = new Portion(MOST);

	private final Pulls pulls;

	private final Queues queues;

	private final String instance;

	private final Map<String, Look> looks = new ConcurrentHashMap<>();

	private volatile @Nullable Registration registration;

	Puller(Pulls pulls, Queues queues, String instance) {
		this.pulls = pulls;
		this.queues = queues;
		this.instance = instance;
	}

	/**
	 * Claims what is there, without waiting for more.
	 * @throws io.pgqueue.UnknownQueueException if the queue does not exist
	 */
	Pull pull(String queue, int max, Duration held) {
		long started = System.nanoTime();
		while (true) {
			Pull pull = claim(queue, max, held.toMillis());
			boolean returned = pull.overdue() && returnOverdue(queue, pull.marks());
			if (!pull.messages().isEmpty() || !(pull.more() || returned) || System.nanoTime() - started > BUSY_NANOS) {
				return pull;
			}
			if (!returned && !pause()) {
				return pull;
			}
		}
	}

	private Pull claim(String queue, int max, long millis) {
		long now = System.nanoTime();
		Look last = this.looks.get(queue);
		if (last == null || now - last.lastFull() >= FULL_LOOK_NANOS) {
			last = new Look(Marks.NONE, now);
		}
		Marks marks = last.marks();
		Optional<Pull> pull = this.portion.run(max, (most) -> claim(queue, most, millis, marks));
		if (pull.isEmpty()) {
			this.looks.remove(queue);
			throw this.queues.unknown(queue);
		}
		this.looks.put(queue, new Look(pull.get().marks(), last.lastFull()));
		return pull.get();
	}

	private Optional<Pull> claim(String queue, int max, long millis, Marks marks) {
		Registration current = registration(null);
		try {
			return this.pulls.receive(current.request(queue, max, millis, marks));
		}
		catch (WorkerGoneException ex) {
			return this.pulls.receive(registration(current).request(queue, max, millis, marks));
		}
	}

	/**
	 * Registers when that is needed.
	 * @param gone a registration that the database no longer knows, or null
	 */
	private Registration registration(@Nullable Registration gone) {
		Registration current = this.registration;
		if (current != null && current != gone) {
			return current;
		}
		synchronized (this) {
			current = this.registration;
			if (current == null || current == gone) {
				current = new Registration(this.pulls.register(this.instance), new AtomicLong(1));
				this.registration = current;
			}
			return current;
		}
	}

	// What was pulled is in hand already: it must not be lost because of what others
	// hold.
	private boolean returnOverdue(String queue, Marks marks) {
		String failure = "Overdue messages of queue '" + queue + "' cannot be given back";
		try {
			boolean returned = this.pulls.returnOverdue(queue, marks.lookFrom()) > 0;
			this.outages.worked(failure);
			return returned;
		}
		catch (RuntimeException ex) {
			this.outages.failed(failure, ex);
			return false;
		}
	}

	private static boolean pause() {
		try {
			TimeUnit.MICROSECONDS.sleep(ThreadLocalRandom.current().nextLong(1_000, 5_000));
			return true;
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			return false;
		}
	}

	/**
	 * How a queue was looked at last.
	 *
	 * @param marks where to start the next time
	 * @param lastFull when everything was looked at, as monotonic time
	 */
	private record Look(Marks marks, long lastFull) {
	}

	/**
	 * A registration and the lease numbers that it has not used yet.
	 *
	 * @param receiver number of the receiver
	 * @param next the next lease number
	 */
	private record Registration(long receiver, AtomicLong next) {

		PullRequest request(String queue, int max, long millis, Marks marks) {
			// An odd count, because retries and new messages take turns by the parity of
			// the number when there is room for one message.
			int numbers = (max + 1) | 1;
			return new PullRequest(this.receiver, this.next.getAndAdd(numbers), queue, max, PULL_BYTES, millis, marks);
		}

	}

}
