package io.pgqueue.listener;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

import io.pgqueue.LeaseLostException;
import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.Held;

import org.springframework.transaction.support.TransactionSynchronization;

/**
 * Acknowledges the deliveries of one handling inside the transaction that is under way,
 * just before it commits, so that the handler's work and the acknowledgement are one. A
 * lost lease rolls the transaction back.
 */
final class TransactionalAck implements TransactionSynchronization {

	private static final Comparator<Held> BY_LEASE = Comparator.comparingLong(Held::lease);

	private final Handling handling;

	private final Leases leases;

	private final QueueEventListener events;

	private List<Delivery> acknowledged = List.of();

	TransactionalAck(Handling handling, Leases leases, QueueEventListener events) {
		this.handling = handling;
		this.leases = leases;
		this.events = events;
	}

	@Override
	public void beforeCommit(boolean readOnly) {
		try {
			acknowledge();
		}
		catch (LeaseLostException ex) {
			this.handling.setLeaseLost();
			throw ex;
		}
		catch (RuntimeException ex) {
			// If the rollback fails as well, nobody else gets to see it.
			this.handling.setAckFailure(ex);
			throw ex;
		}
	}

	private void acknowledge() {
		if (this.handling.isInterrupted()) {
			// By us: its work may be half done, also where the rules commit in spite of
			// the exception.
			throw this.handling.processor().timedOut();
		}
		Set<Long> failed = this.handling.result().failures().keySet();
		List<Delivery> done = new ArrayList<>();
		for (Delivery delivery : this.handling.deliveries()) {
			if (delivery.isDecided()) {
				throw lost(delivery);
			}
			if (!failed.contains(delivery.message().id())) {
				done.add(delivery);
			}
		}
		if (!done.isEmpty()) {
			this.handling.setCommitting(true);
			settle(done, this.leases::settleInTransaction);
		}
		this.acknowledged = done;
	}

	/**
	 * Settles deliveries of one claim.
	 * @param done the deliveries, at least one
	 * @param transition what settles them
	 * @throws LeaseLostException if one of them is no longer held
	 */
	static void settle(List<Delivery> done, Settlement transition) {
		List<Held> log = new ArrayList<>();
		List<Held> redelivered = new ArrayList<>();
		for (Delivery delivery : done) {
			(delivery.message().redelivered() ? redelivered : log).add(delivery.held());
		}
		log.sort(BY_LEASE);
		redelivered.sort(BY_LEASE);
		Lease lease = done.get(0).lease();
		boolean whole = !log.isEmpty() && log.size() == lease.size();
		List<Held> lost = transition.settle(lease.incarnation().worker(), whole ? List.of(lease.number()) : List.of(),
				whole ? List.of() : log, redelivered);
		if (!lost.isEmpty()) {
			Set<Held> gone = new HashSet<>(lost);
			throw lost(
					done.stream().filter((delivery) -> gone.contains(delivery.held())).findFirst().orElse(done.get(0)));
		}
	}

	private static LeaseLostException lost(Delivery delivery) {
		ClaimedMessage message = delivery.message();
		return new LeaseLostException("Message " + message.id() + " of queue '" + delivery.container().queue()
				+ "' was taken from this process before it was settled: it is delivered again, and a transaction"
				+ " that was to acknowledge it rolls back");
	}

	@Override
	public void afterCompletion(int status) {
		this.handling.setCommitting(false);
		this.handling.setInTransaction(false);
		this.handling.setRolledBack(status != STATUS_COMMITTED);
		for (Delivery delivery : this.acknowledged) {
			if (status == STATUS_UNKNOWN) {
				delivery.setUnsure();
			}
			else if (status == STATUS_COMMITTED && delivery.decide()) {
				delivery.lease().incarnation().settled(delivery.lease().number());
				this.events.completed(delivery.container().queue(), Delivery.SUBSCRIPTION);
			}
		}
		this.handling.processor().open().closeIfDecided(this.handling);
	}

	/**
	 * A transition that acknowledges.
	 */
	@FunctionalInterface
	interface Settlement {

		List<Held> settle(long worker, List<Long> leases, List<Held> parts, List<Held> retries);

	}

}
