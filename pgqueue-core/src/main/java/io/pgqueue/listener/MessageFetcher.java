package io.pgqueue.listener;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.ClaimRequest;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Portion;
import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.engine.WorkerGoneException;
import io.pgqueue.listener.QueueListenerContainer.Collaborators;
import io.pgqueue.wakeup.OutageLog;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.Incarnation;
import io.pgqueue.worker.QueueWorker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.dao.QueryTimeoutException;

/**
 * Claims for one container: wait for room, claim, hand over, wait for a reason to look
 * again. Knows nothing about what becomes of the messages.
 */
final class MessageFetcher implements Runnable {

	private static final Logger logger = LoggerFactory.getLogger(MessageFetcher.class);

	private static final long CLAIM_BYTES = 16L * 1024 * 1024;

	private static final long FULL_LOOK_NANOS = Duration.ofSeconds(30).toNanos();

	/**
	 * Milliseconds after which, at most, a suspect that was handed back comes again.
	 */
	private static final long SUSPECTS_WAIT = 1_000;

	private static final Duration SHORTEST_BACKOFF = Duration.ofMillis(100);

	private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(5);

	private static final Duration REGISTRATION_LIMIT = Duration.ofSeconds(1);

	private final ContainerOptions options;

	private final boolean batch;

	/**
	 * Whether each message gets a lease of its own, because it is settled in a
	 * transaction of its own: parallel handlers must not touch the same row.
	 */
	private final boolean single;

	private final DeclaredQueue queue;

	private final Leases leases;

	private final QueueWorker worker;

	private final QueueEventListener events;

	private final Quarantine quarantine;

	private final Dispatcher dispatcher;

	private final WakeUps wakeUps;

	private final WakeUp wakeUp;

	/**
	 * How many messages to claim at most, whatever there is room for.
	 */
	private final Portion portion;

	private final OutageLog outages;

	private final String failure;

	private final String lostConnections;

	private OffsetDateTime dueFrom = OffsetDateTime.MIN;

	private long lastFullLook = System.nanoTime();

	private int failures;

	private volatile boolean running = true;

	private volatile long lastPoll = System.nanoTime();

	/**
	 * Whether it waits although nothing keeps it from claiming.
	 */
	private volatile boolean resting;

	MessageFetcher(ContainerOptions options, MessageProcessor processor, DeclaredQueue queue,
			Collaborators collaborators, Dispatcher dispatcher, WakeUp wakeUp) {
		this.options = options;
		this.batch = processor.isBatch();
		this.single = processor.settlesOneByOne();
		this.queue = queue;
		this.leases = collaborators.leases();
		this.worker = collaborators.worker();
		this.events = collaborators.events();
		this.quarantine = collaborators.quarantine();
		this.wakeUps = collaborators.wakeUps();
		this.dispatcher = dispatcher;
		this.wakeUp = wakeUp;
		this.portion = new Portion(options.batchSize());
		this.outages = this.worker.outages();
		this.failure = "Queue '" + options.queue() + "' cannot be read";
		this.lostConnections = processor.lostConnections();
	}

	@Override
	public void run() {
		while (this.running) {
			try {
				int room = this.dispatcher.awaitRoom();
				if (room > 0) {
					this.wakeUp.await(fetch(room));
					this.lastPoll = lastPoll();
					this.resting = false;
				}
			}
			catch (InterruptedException ex) {
				logger.debug("Somebody has interrupted the fetcher of '{}', which goes on", this.options.id());
			}
		}
		this.outages.ended(this.failure);
		this.outages.ended(this.lostConnections);
	}

	void stop() {
		this.running = false;
		this.wakeUp.signal();
	}

	/**
	 * Returns when the queue was last looked at with success, by this fetcher or, while
	 * it rests, for it, or the fetcher was made, as monotonic time.
	 */
	long lastPoll() {
		return this.resting ? this.wakeUps.lastLook(this.lastPoll) : this.lastPoll;
	}

	/**
	 * Claims once and returns how long to wait before the next claim unless woken.
	 */
	private Duration fetch(int room) throws InterruptedException {
		Incarnation incarnation = this.worker.await(REGISTRATION_LIMIT);
		if (incarnation == null) {
			return Duration.ZERO;
		}
		int most = this.portion.size();
		int limit = this.batch ? most : Math.min(room, most);
		try {
			Claim claim = claim(incarnation, limit);
			this.lastPoll = System.nanoTime();
			this.failures = 0;
			this.portion.done();
			this.outages.worked(this.failure);
			this.outages.worked(this.lostConnections);
			return pause(claim);
		}
		catch (WorkerGoneException ex) {
			this.worker.reportGone(incarnation);
			return Duration.ZERO;
		}
		catch (QueryTimeoutException ex) {
			this.portion.cancelled(limit);
			return backoff(ex);
		}
		catch (RuntimeException | Error ex) {
			return backoff(ex);
		}
	}

	private Claim claim(Incarnation incarnation, int limit) throws InterruptedException {
		long now = System.nanoTime();
		if (now - this.lastFullLook >= FULL_LOOK_NANOS) {
			this.lastFullLook = now;
			this.dueFrom = OffsetDateTime.MIN;
		}
		// An odd count: with room for one message, retries and new messages take turns by
		// the
		// parity of the number.
		int numbers = this.single ? (limit + 1) | 1 : 1;
		long number = incarnation.nextLeases(numbers);
		Claim claim;
		List<Delivery> deliveries;
		try {
			claim = this.leases.claim(new ClaimRequest(incarnation.worker(), number, this.queue.queueId(),
					this.queue.subscriptionId(), limit, CLAIM_BYTES, this.dueFrom,
					this.options.expired() == ExpiredMessages.DEAD_LETTER, this.single));
			deliveries = deliveries(claim.messages(), incarnation);
			incarnation.claimed(number, numbers, claim.messages());
			keepSuspectsApart(deliveries, incarnation);
		}
		catch (RuntimeException | Error ex) {
			this.worker.reportFailedClaim(incarnation, number, numbers);
			throw ex;
		}
		this.dueFrom = claim.dueFrom();
		if (claim.expired() > 0) {
			reportExpired(claim.expired());
		}
		if (!deliveries.isEmpty()) {
			this.dispatcher.add(this.batch ? List.of(deliveries) : deliveries.stream().map(List::of).toList());
		}
		return claim;
	}

	private List<Delivery> deliveries(List<ClaimedMessage> messages, Incarnation incarnation) {
		List<Delivery> deliveries = new ArrayList<>(messages.size());
		Lease lease = null;
		for (ClaimedMessage message : messages) {
			if (lease == null || lease.number() != message.lease()) {
				lease = new Lease(incarnation, message.lease(), this.single ? 1 : logged(messages));
			}
			deliveries.add(new Delivery(message, lease, this.options));
		}
		return deliveries;
	}

	/**
	 * Hands suspects back before any handler begins, for another claim of whatever
	 * process to come by when it has none.
	 */
	private void keepSuspectsApart(List<Delivery> deliveries, Incarnation incarnation) {
		List<Delivery> refused = deliveries.stream()
			.filter((delivery) -> delivery.message().suspect() && !this.quarantine.enter(delivery))
			.toList();
		if (refused.isEmpty()) {
			return;
		}
		deliveries.removeAll(refused);
		try {
			this.leases.retry(incarnation.worker(),
					refused.stream()
						.map((delivery) -> new Failure(delivery.held(),
								ThreadLocalRandom.current().nextLong(SUSPECTS_WAIT / 5, SUSPECTS_WAIT), false, null,
								null, null, null))
						.toList());
		}
		catch (RuntimeException | Error ex) {
			// The reconciliation hands the whole claim back, and with it who was let in.
			deliveries.forEach(Delivery::decide);
			throw ex;
		}
		refused.forEach((delivery) -> incarnation.settled(delivery.lease().number()));
	}

	private void reportExpired(int count) {
		this.events.expired(this.options.queue(), Delivery.SUBSCRIPTION, count);
		if (this.options.expired() == ExpiredMessages.DEAD_LETTER) {
			logger.warn("{} messages of queue '{}' are dead letters: their time to live was over", count,
					this.options.queue());
			for (int i = 0; i < count; i++) {
				this.events.deadLettered(this.options.queue(), Delivery.SUBSCRIPTION);
			}
		}
	}

	private static int logged(List<ClaimedMessage> messages) {
		int count = 0;
		for (ClaimedMessage message : messages) {
			if (!message.redelivered()) {
				count++;
			}
		}
		return count;
	}

	private Duration pause(Claim claim) {
		if (claim.more()) {
			return Duration.ZERO;
		}
		if (claim.busy()) {
			return Duration.ofNanos(ThreadLocalRandom.current().nextLong(1_000_000, 5_000_000));
		}
		this.resting = true;
		Duration poll = this.wakeUps.pace(this.options.pollInterval());
		if (claim.nextDueMicros() == null) {
			return poll;
		}
		Duration due = Duration.of(claim.nextDueMicros(), ChronoUnit.MICROS);
		return (due.compareTo(poll) < 0) ? due : poll;
	}

	private Duration backoff(Throwable ex) {
		this.failures++;
		this.outages.failed(this.failure, ex);
		long most = Math.min(100L << Math.min(this.failures, 6), LONGEST_BACKOFF.toMillis());
		// Not longer than a poll interval, because nobody may be woken by whoever sends
		// when all works again.
		most = Math.min(most, Math.max(this.options.pollInterval().toMillis(), SHORTEST_BACKOFF.toMillis()));
		return Duration.ofMillis(ThreadLocalRandom.current().nextLong(most / 2, most));
	}

}
