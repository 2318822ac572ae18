package io.pgqueue.client;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.Database;
import io.pgqueue.wakeup.WakeUps;
import org.jspecify.annotations.Nullable;

import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Tells the rest of the application what was sent, once it is committed.
 */
final class SentMessages {

	private final Database database;

	private final WakeUps wakeUps;

	private final QueueEventListener events;

	SentMessages(Database database, WakeUps wakeUps, QueueEventListener events) {
		this.database = database;
		this.wakeUps = wakeUps;
		this.events = events;
	}

	/**
	 * Reports messages that were sent.
	 * @param dueNanos when they are due, as monotonic time; null if they are already
	 */
	void add(String queue, long count, @Nullable Long dueNanos) {
		Sent more = new Sent(count, dueNanos == null, dueNanos);
		if (this.database.inTransaction()) {
			current().sent.merge(queue, more, Sent::and);
		}
		else {
			committed(queue, more);
		}
	}

	/**
	 * Reports that something else than a send was written. If it comes after Spring has
	 * committed, it is to be committed as well.
	 */
	void commitsLate() {
		current().written = true;
	}

	/**
	 * Reports that a message waits for whether the transaction commits: should it roll
	 * back, the message is due in a moment, and whoever waits for the queue must know.
	 */
	void mayComeBack(String queue) {
		if (this.database.inTransaction()) {
			this.wakeUps.announce(queue);
		}
	}

	/**
	 * Reports that somebody was asked to give up what is in hand.
	 */
	void asked() {
		if (this.database.inTransaction()) {
			current().asked = true;
		}
		else {
			this.wakeUps.announceCancelled();
		}
	}

	private InTransaction current() {
		for (TransactionSynchronization synchronization : TransactionSynchronizationManager.getSynchronizations()) {
			if (synchronization instanceof InTransaction found && found.owner() == this) {
				return found;
			}
		}
		InTransaction created = new InTransaction();
		TransactionSynchronizationManager.registerSynchronization(created);
		return created;
	}

	private void committed(String queue, Sent sent) {
		if (sent.ready()) {
			this.wakeUps.announce(queue);
		}
		if (sent.dueNanos() != null) {
			this.wakeUps.announceScheduled(Duration.ofNanos(sent.dueNanos() - System.nanoTime()));
		}
		this.events.sent(queue, sent.count());
	}

	/**
	 * What was sent to one queue.
	 *
	 * @param count how many messages
	 * @param ready whether some of them can be handled at once
	 * @param dueNanos when the first of the others is due, as monotonic time
	 */
	private record Sent(long count, boolean ready, @Nullable Long dueNanos) {

		Sent and(Sent more) {
			return new Sent(this.count + more.count, this.ready || more.ready, earlier(this.dueNanos, more.dueNanos));
		}

		private static @Nullable Long earlier(@Nullable Long one, @Nullable Long other) {
			if (one == null || other == null) {
				return (one != null) ? one : other;
			}
			return (one - other < 0) ? one : other;
		}

	}

	/**
	 * What one transaction has sent so far.
	 */
	private final class InTransaction implements TransactionSynchronization {

		private final Map<String, Sent> sent = new HashMap<>();

		private final Map<Object, Map<String, Sent>> savepoints = new HashMap<>();

		private boolean written;

		private boolean asked;

		SentMessages owner() {
			return SentMessages.this;
		}

		@Override
		public void savepoint(Object savepoint) {
			this.savepoints.put(savepoint, Map.copyOf(this.sent));
		}

		@Override
		public void savepointRollback(Object savepoint) {
			this.sent.clear();
			this.sent.putAll(this.savepoints.getOrDefault(savepoint, Map.of()));
		}

		@Override
		public void afterCommit() {
			announce();
		}

		/**
		 * A send out of somebody else's {@code afterCommit} finds the transaction still
		 * bound, but comes too late for its commit and for this object's.
		 */
		@Override
		public void afterCompletion(int status) {
			if (status == STATUS_COMMITTED && (this.written || !this.sent.isEmpty())) {
				SentMessages.this.database.commitAfterCommit();
				announce();
			}
		}

		private void announce() {
			Map<String, Sent> committed = Map.copyOf(this.sent);
			this.sent.clear();
			this.written = false;
			committed.forEach(SentMessages.this::committed);
			if (this.asked) {
				this.asked = false;
				SentMessages.this.wakeUps.announceCancelled();
			}
		}

	}

}
