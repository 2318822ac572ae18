package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

import io.pgqueue.LeaseLostException;
import io.pgqueue.QueueEventListener;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Pulls;
import io.pgqueue.listener.TransactionalAck.Settlement;
import io.pgqueue.wakeup.WakeUps;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Settles pulled messages by their receipts.
 */
final class Receipts {

	private static final Logger logger = LoggerFactory.getLogger(Receipts.class);

	private static final Comparator<Held> BY_LEASE = Comparator.comparingLong(Held::lease);

	private final Leases leases;

	private final Pulls pulls;

	private final QueueEventListener events;

	private final WakeUps wakeUps;

	Receipts(Leases leases, Pulls pulls, QueueEventListener events, WakeUps wakeUps) {
		this.leases = leases;
		this.pulls = pulls;
		this.events = events;
		this.wakeUps = wakeUps;
	}

	/**
	 * Acknowledges in the transaction of the current thread, or else by itself.
	 * @param transition what settles where there is no transaction
	 * @return the receipts of what is no longer held
	 */
	List<Receipt> acknowledge(Collection<Receipt> receipts, Settlement transition) {
		boolean joined = this.leases.isInTransaction();
		Settlement settlement = joined ? this.leases::settleInTransaction : transition;
		Map<Long, List<Receipt>> byReceiver = new TreeMap<>();
		receipts.forEach(
				(receipt) -> byReceiver.computeIfAbsent(receipt.receiver(), (key) -> new ArrayList<>()).add(receipt));
		List<Receipt> done = new ArrayList<>();
		List<Receipt> lost = new ArrayList<>();
		byReceiver.forEach((receiver, some) -> {
			Set<Held> gone = new HashSet<>(settlement.settle(receiver,
					some.stream()
						.filter((one) -> !one.redelivered())
						.map((one) -> one.held().lease())
						.sorted()
						.toList(),
					List.of(),
					some.stream().filter(Receipt::redelivered).map(Receipt::held).sorted(BY_LEASE).toList()));
			for (Receipt one : some) {
				Held missing = one.redelivered() ? one.held() : new Held(one.held().lease(), 0);
				(gone.contains(missing) ? lost : done).add(one);
			}
		});
		lost.forEach((one) -> this.events.leaseLost(one.queue(), Delivery.SUBSCRIPTION));
		if (joined) {
			afterCommit(() -> tellCompleted(done));
		}
		else {
			tellCompleted(done);
		}
		return lost;
	}

	private void tellCompleted(List<Receipt> done) {
		done.forEach((one) -> this.events.completed(one.queue(), Delivery.SUBSCRIPTION));
	}

	private static void afterCommit(Runnable action) {
		TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

			@Override
			public void afterCommit() {
				action.run();
			}

		});
	}

	void release(Receipt receipt, Duration delay) {
		requireHeld(receipt);
		requireNone(receipt, this.leases.retry(receipt.receiver(),
				List.of(new Failure(receipt.held(), delay.toMillis(), false, null, null, null, null))));
		this.wakeUps.announce(receipt.queue());
	}

	/**
	 * Gives messages of one receiver back at once.
	 * @param counted whether the delivery counts as an attempt
	 */
	void giveBack(List<Receipt> receipts, boolean counted) {
		List<Failure> failures = receipts.stream()
			.map(Receipt::held)
			.sorted(BY_LEASE)
			.map((held) -> new Failure(held, 0, counted, null, null, null, null))
			.toList();
		this.leases.retry(receipts.get(0).receiver(), failures);
		this.wakeUps.announce(receipts.get(0).queue());
	}

	/**
	 * Gives messages of one receiver back when the transaction of the current thread
	 * rolls back. If that is not possible, they come back when their time is over.
	 */
	void giveBackAfterRollback(List<Receipt> receipts) {
		TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

			@Override
			public void afterCompletion(int status) {
				if (status != STATUS_ROLLED_BACK) {
					return;
				}
				try {
					giveBack(receipts, true);
				}
				catch (RuntimeException ex) {
					logger.warn("{} messages of queue '{}' could not be given back, they come again later: {}",
							receipts.size(), receipts.get(0).queue(), ex.toString());
				}
			}

		});
	}

	void reject(Receipt receipt, String reason) {
		requireHeld(receipt);
		requireNone(receipt, this.leases.bury(receipt.receiver(),
				List.of(new Failure(receipt.held(), 0, true, ErrorText.clean(reason), null, null, null))));
		this.events.deadLettered(receipt.queue(), Delivery.SUBSCRIPTION);
	}

	void extend(Receipt receipt, Duration time) {
		if (!this.pulls.extend(receipt.receiver(), receipt.held(), receipt.redelivered(), time.toMillis())) {
			throw lost(receipt);
		}
	}

	// A caller that has acknowledged it in its own open transaction would wait for
	// itself.
	private void requireHeld(Receipt receipt) {
		if (!this.pulls.isHeld(receipt.receiver(), receipt.held(), receipt.redelivered())) {
			throw lost(receipt);
		}
	}

	private void requireNone(Receipt receipt, List<Held> lost) {
		if (!lost.isEmpty()) {
			throw lost(receipt);
		}
	}

	private LeaseLostException lost(Receipt receipt) {
		this.events.leaseLost(receipt.queue(), Delivery.SUBSCRIPTION);
		return exception(List.of(receipt));
	}

	/**
	 * Makes the exception for receipts that hold nothing any more.
	 */
	static LeaseLostException exception(List<Receipt> lost) {
		Receipt first = lost.get(0);
		String others = (lost.size() > 1) ? " and " + (lost.size() - 1) + " others" : "";
		return new LeaseLostException("Message " + first.held().id() + " of queue '" + first.queue() + "'" + others
				+ " cannot be settled with this receipt: it was settled before, or its visibility timeout is over and"
				+ " it is delivered again. A transaction above READ COMMITTED must begin after the message was received");
	}

}
