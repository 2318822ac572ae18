package io.pgqueue.client;

import java.util.HashMap;
import java.util.Map;

import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.Database;
import io.pgqueue.wakeup.WakeUps;

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

	void add(String queue, long count) {
		if (this.database.inTransaction()) {
			current().counts.merge(queue, count, Long::sum);
		}
		else {
			committed(queue, count);
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

	private void committed(String queue, long count) {
		this.wakeUps.wake(queue);
		this.events.sent(queue, count);
	}

	/**
	 * What one transaction has sent so far.
	 */
	private final class InTransaction implements TransactionSynchronization {

		private final Map<String, Long> counts = new HashMap<>();

		private final Map<Object, Map<String, Long>> savepoints = new HashMap<>();

		SentMessages owner() {
			return SentMessages.this;
		}

		@Override
		public void savepoint(Object savepoint) {
			this.savepoints.put(savepoint, Map.copyOf(this.counts));
		}

		@Override
		public void savepointRollback(Object savepoint) {
			this.counts.clear();
			this.counts.putAll(this.savepoints.getOrDefault(savepoint, Map.of()));
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
			if (status == STATUS_COMMITTED && !this.counts.isEmpty()) {
				SentMessages.this.database.commitAfterCommit();
				announce();
			}
		}

		private void announce() {
			Map<String, Long> committed = Map.copyOf(this.counts);
			this.counts.clear();
			committed.forEach(SentMessages.this::committed);
		}

	}

}
