package io.pgqueue.admin;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.ToIntBiFunction;
import java.util.stream.Collectors;

import javax.sql.DataSource;

import io.pgqueue.NearestName;
import io.pgqueue.Queue;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.DeadLetters;
import io.pgqueue.engine.DeadLetters.Content;
import io.pgqueue.engine.DeadLetters.Death;
import io.pgqueue.engine.DeadLetters.Row;
import io.pgqueue.engine.DeadLetters.Subscription;
import io.pgqueue.engine.Queues;
import io.pgqueue.engine.Queues.DeclaredQueue;
import org.jspecify.annotations.Nullable;

import org.springframework.dao.QueryTimeoutException;

/**
 * Looks into queues and works on their dead letters. Applications and operators' tools
 * inject it; thread-safe.
 * <p>
 * What redrives or discards commits by itself, on a connection of its own, and not in a
 * transaction of the caller. Every dead letter is redriven or discarded once, however
 * many callers try: a redriven message keeps its identity, has all its attempts again and
 * carries the {@link io.pgqueue.QueueHeaders headers} that say why it had died. Work by
 * filter is done oldest first in transactions of at most 500 messages. It leaves alone
 * what dies after it was begun, and when it is cut off, each message is either a dead
 * letter or was redriven.
 */
public final class QueueAdmin {

	private static final int BATCH = 500;

	private static final int MOST_LISTED = 10_000;

	private final Queues queues;

	private final DeadLetters deadLetters;

	/**
	 * Creates an admin.
	 * @param dataSource leads to the database
	 * @param schema name of the schema, unquoted
	 */
	public QueueAdmin(DataSource dataSource, String schema) {
		Database database = new Database(dataSource, schema);
		this.queues = new Queues(database);
		this.deadLetters = new DeadLetters(database);
	}

	/**
	 * Lists the queues.
	 * @return their names, sorted
	 */
	public List<String> queues() {
		return this.queues.names();
	}

	/**
	 * Creates a queue unless it exists. Joins the caller's transaction.
	 * @param queue the queue
	 * @return whether it was created
	 */
	public boolean declare(Queue queue) {
		DeclaredQueue declared = this.queues.declare(queue.name());
		return declared.created();
	}

	/**
	 * Lists the newest dead letters of a queue, without payloads.
	 * @param queue name of the queue
	 * @param limit most to list, from 1 to 10,000
	 * @return the dead letters, newest first
	 * @throws UnknownQueueException if the queue was never declared
	 */
	public List<DeadLetter> deadLetters(String queue, int limit) {
		return deadLetters(DeadLetterFilter.ofQueue(queue), null, limit);
	}

	/**
	 * Lists dead letters page by page, without payloads.
	 * @param filter which ones
	 * @param after the last one of the page before, {@code null} for the first page
	 * @param limit most to list, from 1 to 10,000
	 * @return the dead letters, newest first; fewer than the limit on the last page
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 */
	public List<DeadLetter> deadLetters(DeadLetterFilter filter, @Nullable DeadLetterKey after, int limit) {
		if (limit < 1 || limit > MOST_LISTED) {
			throw new IllegalArgumentException("limit is " + limit + ", but must be from 1 to " + MOST_LISTED);
		}
		Map<Integer, Subscription> subscriptions = find(filter.queue(), filter.subscription()).stream()
			.collect(Collectors.toMap(Subscription::id, Function.identity()));
		Instant to = (filter.to() != null) ? filter.to() : Instant.MAX;
		Death before = (after != null && after.deadAt().isBefore(to)) ? new Death(after.deadAt(), after.id())
				: new Death(to, 0);
		return this.deadLetters
			.list(subscriptions.keySet().stream().mapToInt(Integer::intValue).toArray(), filter.errorClass(),
					from(filter), before, limit)
			.stream()
			.map((row) -> letter(row, Objects.requireNonNull(subscriptions.get(row.subscriptionId()))))
			.toList();
	}

	/**
	 * Reads one dead letter with its payload.
	 * @param queue name of the queue
	 * @param subscription name of the subscription that gave it up
	 * @param id identity of the message
	 * @return the dead letter, or {@code null} if the message is none
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 */
	public @Nullable DeadLetterContent deadLetter(String queue, String subscription, long id) {
		Subscription found = find(Queue.requireValidName(queue), subscription).get(0);
		Content content = this.deadLetters.read(found.id(), id);
		return (content != null) ? new DeadLetterContent(letter(content.row(), found), content.errorStack(),
				content.headers(), content.payload()) : null;
	}

	/**
	 * Puts one dead letter back for delivery, due now.
	 * @param key which one
	 * @return whether this call did it; false if it is no dead letter any more, or died
	 * again
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 * @throws org.springframework.dao.PessimisticLockingFailureException if somebody else
	 * has held it locked for ten seconds
	 */
	public boolean redrive(DeadLetterKey key) {
		return this.deadLetters.redrive(find(key.queue(), key.subscription()).get(0).id(), List.of(death(key)),
				new long[1]) == 1;
	}

	/**
	 * Puts dead letters back for delivery, due now.
	 * @param filter which ones
	 * @return how many this call put back
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 * @throws org.springframework.dao.PessimisticLockingFailureException if somebody else
	 * has held one of them locked for ten seconds; call again to go on
	 */
	public long redrive(DeadLetterFilter filter) {
		return redrive(filter, new Pace(Double.POSITIVE_INFINITY));
	}

	/**
	 * Puts dead letters back for delivery, spread over time: they become due one after
	 * the other. Returns without waiting for that.
	 * @param filter which ones
	 * @param perSecond how many messages become due per second, more than 0
	 * @return how many this call put back
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 * @throws org.springframework.dao.PessimisticLockingFailureException if somebody else
	 * has held one of them locked for ten seconds; call again to go on
	 */
	public long redrive(DeadLetterFilter filter, double perSecond) {
		return redrive(filter, new Pace(perSecond));
	}

	private long redrive(DeadLetterFilter filter, Pace pace) {
		return inBatches(filter, (subscription, deaths) -> {
			int moved = this.deadLetters.redrive(subscription.id(), deaths, pace.delaysMillis(deaths.size()));
			pace.passed(deaths.size());
			return moved;
		});
	}

	/**
	 * Deletes one dead letter for good.
	 * @param key which one
	 * @return whether this call did it; false if it is no dead letter any more, or died
	 * again
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 * @throws org.springframework.dao.PessimisticLockingFailureException if somebody else
	 * has held it locked for ten seconds
	 */
	public boolean discard(DeadLetterKey key) {
		return this.deadLetters.discard(find(key.queue(), key.subscription()).get(0).id(), List.of(death(key))) == 1;
	}

	/**
	 * Deletes dead letters for good.
	 * @param filter which ones
	 * @return how many this call deleted
	 * @throws UnknownQueueException if the queue was never declared, or has no such
	 * subscription
	 * @throws org.springframework.dao.PessimisticLockingFailureException if somebody else
	 * has held one of them locked for ten seconds; call again to go on
	 */
	public long discard(DeadLetterFilter filter) {
		return inBatches(filter, (subscription, deaths) -> this.deadLetters.discard(subscription.id(), deaths));
	}

	private long inBatches(DeadLetterFilter filter, ToIntBiFunction<Subscription, List<Death>> transition) {
		long total = 0;
		for (Subscription subscription : find(filter.queue(), filter.subscription())) {
			// What is redriven may die again before this is done.
			Instant before = (filter.to() != null && filter.to().isBefore(subscription.asOf())) ? filter.to()
					: subscription.asOf();
			Death last = new Death(from(filter), 0);
			List<Death> batch = batch(subscription, filter, last, before);
			while (!batch.isEmpty()) {
				total += apply(transition, subscription, batch);
				last = batch.get(batch.size() - 1);
				batch = batch(subscription, filter, last, before);
			}
		}
		return total;
	}

	// What the server does not do within its statement_timeout is done in smaller parts.
	private static int apply(ToIntBiFunction<Subscription, List<Death>> transition, Subscription subscription,
			List<Death> batch) {
		try {
			return transition.applyAsInt(subscription, batch);
		}
		catch (QueryTimeoutException ex) {
			int half = batch.size() / 2;
			if (half == 0) {
				throw ex;
			}
			return apply(transition, subscription, batch.subList(0, half))
					+ apply(transition, subscription, batch.subList(half, batch.size()));
		}
	}

	private List<Death> batch(Subscription subscription, DeadLetterFilter filter, Death after, Instant before) {
		return this.deadLetters.batch(subscription.id(), filter.errorClass(), after, before, BATCH);
	}

	private List<Subscription> find(@Nullable String queue, @Nullable String subscription) {
		List<Subscription> known = this.deadLetters.subscriptions(queue);
		if (queue != null && known.isEmpty()) {
			throw new UnknownQueueException("Queue '" + queue + "' does not exist"
					+ suggestion(queue, this.queues.names(), ". QueueAdmin#queues() lists those that do"));
		}
		List<Subscription> found = known.stream()
			.filter((one) -> subscription == null || one.name().equals(subscription))
			.toList();
		if (queue != null && subscription != null && found.isEmpty()) {
			List<String> names = known.stream().map(Subscription::name).toList();
			throw new UnknownQueueException("Queue '" + queue + "' has no subscription '" + subscription + "'"
					+ suggestion(subscription, names, ", but " + names));
		}
		return found;
	}

	private static String suggestion(String name, List<String> known, String otherwise) {
		List<String> nearest = NearestName.of(name, known);
		return nearest.isEmpty() ? otherwise : "; did you mean '" + nearest.get(0) + "'?";
	}

	private static Instant from(DeadLetterFilter filter) {
		return (filter.from() != null) ? filter.from() : Instant.MIN;
	}

	private static Death death(DeadLetterKey key) {
		return new Death(key.deadAt(), key.id());
	}

	private static DeadLetter letter(Row row, Subscription subscription) {
		return new DeadLetter(row.death().id(), subscription.queue(), subscription.name(), row.reason(),
				row.errorClass(), row.errorMessage(), row.attempts(), row.redrives(), row.enqueuedAt(),
				row.death().deadAt(), row.worker());
	}

	/**
	 * Spreads messages over time, from when it was created.
	 */
	private static final class Pace {

		private final double perSecond;

		private final long started = System.nanoTime();

		private long messages;

		Pace(double perSecond) {
			// Written so that it refuses what is not a number, too.
			if (!(perSecond >= 0.001)) {
				throw new IllegalArgumentException(
						"perSecond is " + perSecond + ", but must be at least 0.001 messages per second");
			}
			this.perSecond = perSecond;
		}

		/**
		 * Returns the delays of the next messages.
		 */
		long[] delaysMillis(int count) {
			long elapsed = (System.nanoTime() - this.started) / 1_000_000;
			long[] delays = new long[count];
			for (int i = 0; i < count; i++) {
				delays[i] = Math.max(0, (long) ((this.messages + i) * 1_000 / this.perSecond) - elapsed);
			}
			return delays;
		}

		void passed(int count) {
			this.messages += count;
		}

	}

}
