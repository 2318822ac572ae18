package io.pgqueue.worker;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import javax.sql.DataSource;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.engine.Workers;
import io.pgqueue.engine.Workers.Surroundings;
import io.pgqueue.wakeup.OutageLog;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.Incarnation.InHand;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This process as the database sees it: registers, gives signs of life, looks around for
 * all who rest in the application, recovers what dead workers held, and deletes old dead
 * letters. One thread and one connection, both for as long as it runs.
 */
public final class QueueWorker {

	private static final Logger logger = LoggerFactory.getLogger(QueueWorker.class);

	private static final Duration SHORTEST_TIMEOUT = Duration.ofSeconds(1);

	/**
	 * Least time to wait for an answer of the server.
	 */
	private static final Duration SHORTEST_LIMIT = Duration.ofSeconds(2);

	private static final Duration IDLE_HEARTBEAT = Duration.ofMinutes(1);

	private static final Duration STOP_LIMIT = Duration.ofSeconds(3);

	private static final String FAILURE = "The worker cannot complete its round (sign of life, recovery)";

	/**
	 * Rounds between two comparisons of the stored leases with those in hand.
	 */
	private static final int ROUNDS_PER_RECONCILIATION = 3;

	/**
	 * Rounds between two comparisons of all leases: behind a pooler a crash of the
	 * server, which may bring settled leases back, goes unnoticed.
	 */
	private static final int ROUNDS_PER_FULL_RECONCILIATION = 30;

	private final DataSource direct;

	private final String schema;

	private final String instance;

	private final Duration heartbeat;

	private final Lookout lookout;

	private final Recovery recovery;

	private final Duration limit;

	private final @Nullable DeadLetterExpiry expiry;

	private final WakeUps wakeUps;

	private final OutageLog outages;

	private final WakeUp wakeUp;

	private final Set<Long> cancelled = ConcurrentHashMap.newKeySet();

	private final Object monitor = new Object();

	private @Nullable Incarnation incarnation;

	private @Nullable Thread thread;

	private volatile boolean running;

	private long reconciledTo;

	private int rounds;

	private boolean succeeded;

	/**
	 * Creates a worker that is not yet running.
	 * @param direct opens connections outside the pool
	 * @param schema name of the schema, unquoted
	 * @param instance name of this process: a process that starts with the name of one
	 * that has ended takes back at once what that one held
	 * @param timeout how long without a sign of life a worker is taken to be alive
	 * @param heartbeat time between two signs of life, at most half the timeout
	 * @param wakeUps shared with the template and the containers of this application
	 * @param deadLetterRetention how long dead letters are kept, {@code null} for ever
	 */
	public QueueWorker(DataSource direct, String schema, String instance, Duration timeout, Duration heartbeat,
			WakeUps wakeUps, @Nullable Duration deadLetterRetention) {
		requireValid(timeout, heartbeat);
		this.direct = direct;
		this.schema = schema;
		this.instance = instance;
		this.heartbeat = heartbeat;
		this.lookout = new Lookout(wakeUps, heartbeat);
		this.recovery = new Recovery(new DeathWatch(timeout, heartbeat.multipliedBy(2)), wakeUps);
		this.limit = (heartbeat.compareTo(SHORTEST_LIMIT) > 0) ? heartbeat : SHORTEST_LIMIT;
		this.expiry = DeadLetterExpiry.of(deadLetterRetention, heartbeat.dividedBy(4));
		this.wakeUps = wakeUps;
		this.wakeUp = wakeUps.worker();
		this.outages = wakeUps.outages();
	}

	private static void requireValid(Duration timeout, Duration heartbeat) {
		if (timeout.compareTo(SHORTEST_TIMEOUT) < 0) {
			throw new InvalidConfigurationException(
					"lease.timeout is " + timeout + ", but must be at least " + SHORTEST_TIMEOUT);
		}
		if (heartbeat.compareTo(Duration.ZERO) <= 0 || heartbeat.multipliedBy(2).compareTo(timeout) > 0) {
			throw new InvalidConfigurationException("lease.heartbeat is " + heartbeat
					+ ", but must be longer than zero and at most half of lease.timeout, which is " + timeout);
		}
	}

	/**
	 * Starts to register. Does nothing if it runs already.
	 */
	public synchronized void start() {
		if (this.running) {
			return;
		}
		this.running = true;
		Thread started = new Thread(this::run, "pgqueue-worker");
		started.setDaemon(true);
		started.start();
		this.thread = started;
	}

	/**
	 * Signs off and stops, within a few seconds. To be called after all messages were
	 * given back.
	 */
	public synchronized void stop() {
		Thread stopping = this.thread;
		if (stopping == null) {
			return;
		}
		this.running = false;
		this.wakeUp.signal();
		try {
			stopping.join(STOP_LIMIT.toMillis());
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		this.thread = null;
	}

	/**
	 * Returns the current registration, waiting for it if need be.
	 * @param limit how long to wait at most
	 * @return the registration, or null if there is none within the limit
	 * @throws InterruptedException if the thread is interrupted
	 */
	public @Nullable Incarnation await(Duration limit) throws InterruptedException {
		long deadline = System.nanoTime() + limit.toNanos();
		synchronized (this.monitor) {
			while (this.incarnation == null || this.incarnation.isGone()) {
				long left = (deadline - System.nanoTime()) / 1_000_000;
				if (left <= 0) {
					return null;
				}
				this.monitor.wait(left);
			}
			return this.incarnation;
		}
	}

	/**
	 * Reports that the database no longer knows a registration, so that a new one is
	 * made.
	 * @param gone the registration
	 */
	public void reportGone(Incarnation gone) {
		gone.markGone();
		this.wakeUp.signal();
	}

	/**
	 * Reports that a claim had no answer, so that what it may have taken is given back
	 * soon.
	 * @param incarnation the registration it was for
	 * @param first number of its first lease
	 * @param count how many numbers it had
	 */
	public void reportFailedClaim(Incarnation incarnation, long first, int count) {
		incarnation.claimFailed(first, count);
		this.wakeUp.signal();
	}

	/**
	 * Returns, once, the messages that this process was asked to give up although it has
	 * them in hand.
	 * @return identities of the messages
	 */
	public Set<Long> takeCancelled() {
		Set<Long> taken = Set.copyOf(this.cancelled);
		this.cancelled.removeAll(taken);
		return taken;
	}

	/**
	 * Returns where threads of this process report what the database does not do.
	 * @return the log of this process
	 */
	public OutageLog outages() {
		return this.outages;
	}

	private void run() {
		try (Workers workers = new Workers(this.direct, this.schema, this.limit)) {
			long lastBeat = 0;
			int failures = 0;
			while (this.running) {
				Duration pause;
				try {
					lastBeat = round(workers, lastBeat);
					failures = 0;
					this.outages.worked(FAILURE);
					pause = this.recovery.untilNext(this.lookout.pause());
				}
				catch (RuntimeException | Error ex) {
					this.lookout.fail();
					this.recovery.forget();
					// A crash of the server may have brought back leases that were
					// settled.
					this.reconciledTo = 0;
					this.outages.failed(FAILURE, ex);
					pause = backoff(failures++);
				}
				this.wakeUp.await(pause);
			}
			signOff(workers);
		}
		finally {
			this.lookout.fail();
			this.outages.ended(FAILURE);
			synchronized (this.monitor) {
				this.incarnation = null;
			}
		}
	}

	private long round(Workers workers, long lastBeat) {
		Incarnation current = this.incarnation;
		long now = System.nanoTime();
		long beatAt = lastBeat;
		if (current == null || current.isGone()) {
			current = register(workers);
			beatAt = now;
		}
		else if (isBeatDue(current, now - lastBeat)) {
			if (!workers.beat(current.worker())) {
				logger.warn("Worker {} was declared dead: what it held is delivered again. Registering anew",
						current.worker());
				current.markGone();
				current = register(workers);
			}
			beatAt = now;
		}
		if (current.takeSuspicion() || ++this.rounds % ROUNDS_PER_RECONCILIATION == 0) {
			reconcile(workers, current);
		}
		if (current.holds()) {
			this.cancelled.addAll(workers.takeCancelRequests(current.worker()));
		}
		Surroundings seen = this.lookout.look(workers, current.worker());
		this.recovery.run(workers, seen.holders());
		if (seen.overdue() && OverduePulls.giveBack(workers)) {
			this.wakeUps.announceEverything();
		}
		if (this.expiry != null) {
			this.expiry.run(workers, this.outages);
		}
		return beatAt;
	}

	/**
	 * Half of the heartbeat, because rounds come a little early, and whoever asks for
	 * rounds in between makes no sign of life by that.
	 */
	private boolean isBeatDue(Incarnation current, long nanosSinceLast) {
		return nanosSinceLast >= (current.holds() ? this.heartbeat.dividedBy(2) : IDLE_HEARTBEAT).toNanos();
	}

	private Incarnation register(Workers workers) {
		Incarnation registered = new Incarnation(workers.register(this.instance));
		this.reconciledTo = 0;
		// Only once: two processes with one name by mistake must not declare each other
		// dead
		// for ever.
		if (!this.succeeded) {
			int predecessors = workers.succeed(registered.worker());
			this.succeeded = true;
			if (predecessors > 0) {
				logger.info("Taking over from {} ended workers of instance '{}'", predecessors, this.instance);
			}
		}
		synchronized (this.monitor) {
			this.incarnation = registered;
			this.monitor.notifyAll();
		}
		return registered;
	}

	private void reconcile(Workers workers, Incarnation current) {
		if (this.rounds % ROUNDS_PER_FULL_RECONCILIATION == 0) {
			this.reconciledTo = 0;
		}
		InHand inHand = current.inHand();
		if (inHand.last() == this.reconciledTo) {
			return;
		}
		int returned = workers.reconcile(current.worker(), this.reconciledTo + 1, inHand.last(), inHand.leases());
		if (returned > 0) {
			logger.info("Gave back {} messages that worker {} held by the books only", returned, current.worker());
			this.wakeUps.announceEverything();
		}
		// What is in hand now must be looked at again, what is not is settled for good.
		this.reconciledTo = (inHand.leases().length > 0) ? inHand.leases()[0] - 1 : inHand.last();
	}

	private Duration backoff(int failures) {
		long millis = Math.min(100L << Math.min(failures, 10), this.heartbeat.toMillis());
		return Duration.ofMillis(Math.max(millis, 10));
	}

	private void signOff(Workers workers) {
		Incarnation current = this.incarnation;
		if (current == null) {
			return;
		}
		try {
			workers.signOff(current.worker());
		}
		catch (RuntimeException ex) {
			logger.warn("Worker {} could not sign off: {}", current.worker(), ex.toString());
		}
	}

}
