package io.pgqueue.listener;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import java.util.stream.Stream;

import io.pgqueue.QueueEventListener;
import io.pgqueue.Verdict;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Portion;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.Incarnation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.dao.DataAccessException;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.UncategorizedSQLException;

/**
 * Outcomes of one incarnation that the database does not know yet. What was written is
 * forgotten step by step, so that a write that failed half-way is simply repeated.
 */
final class Unsettled {

	private static final Logger logger = LoggerFactory.getLogger(Unsettled.class);

	private static final Comparator<Outcome> BY_LEASE = Comparator
		.comparingLong((outcome) -> outcome.delivery().lease().number());

	private static final int MOST_AT_ONCE = 1_000;

	private final Portion portion = new Portion(MOST_AT_ONCE);

	private final Incarnation incarnation;

	private final Leases leases;

	private final QueueEventListener events;

	private final WakeUps wakeUps;

	/**
	 * Whether the last write had no answer, so that it may have taken effect: what is no
	 * longer held then most likely is what it wrote.
	 */
	private boolean unsure;

	private final List<Outcome> retries = new ArrayList<>();

	private final List<Outcome> burials = new ArrayList<>();

	private final List<Outcome> redelivered = new ArrayList<>();

	private final Set<Lease> acknowledged = new LinkedHashSet<>();

	Unsettled(Incarnation incarnation, Leases leases, QueueEventListener events, WakeUps wakeUps) {
		this.incarnation = incarnation;
		this.leases = leases;
		this.events = events;
		this.wakeUps = wakeUps;
	}

	void add(Outcome outcome, long now) {
		Verdict verdict = outcome.verdict();
		if (verdict instanceof Verdict.Retry) {
			this.retries.add(outcome);
		}
		else if (verdict instanceof Verdict.DeadLetter) {
			this.burials.add(outcome);
		}
		else if (outcome.delivery().message().redelivered()) {
			this.redelivered.add(outcome);
		}
		else {
			Lease lease = outcome.delivery().lease();
			lease.acknowledge(outcome, now);
			this.acknowledged.add(lease);
		}
	}

	boolean isEmpty() {
		return this.retries.isEmpty() && this.burials.isEmpty() && this.redelivered.isEmpty()
				&& this.acknowledged.isEmpty();
	}

	/**
	 * Writes what is due.
	 * @param waitedSince leases with a handler still at work are acknowledged in part if
	 * the first outcome has waited since before then
	 * @throws DataAccessException if the database does not answer
	 */
	void write(long waitedSince) {
		boolean complete = false;
		try {
			// Failures go first: a lease is acknowledged as a whole only after everything
			// that failed has been moved out of it.
			move(this.retries, this.leases::retry);
			move(this.burials, this.leases::bury);
			acknowledge(waitedSince);
			complete = true;
		}
		finally {
			this.unsure = !complete;
		}
	}

	private void move(List<Outcome> failed, BiFunction<Long, List<Failure>, List<Held>> transition) {
		if (failed.isEmpty()) {
			return;
		}
		failed.sort(BY_LEASE);
		try {
			while (!failed.isEmpty()) {
				this.portion.run(failed.size(), (most) -> {
					List<Outcome> some = failed.subList(0, most);
					moved(some, transition.apply(this.incarnation.worker(),
							some.stream().map(Unsettled::failure).toList()));
					some.clear();
					return true;
				});
			}
		}
		catch (DataIntegrityViolationException | UncategorizedSQLException ex) {
			// One of them cannot be stored: find out which, so that the others can.
			moveOneByOne(failed, transition);
		}
	}

	private void moveOneByOne(List<Outcome> failed, BiFunction<Long, List<Failure>, List<Held>> transition) {
		Iterator<Outcome> iterator = failed.iterator();
		while (iterator.hasNext()) {
			Outcome outcome = iterator.next();
			try {
				moved(List.of(outcome), transition.apply(this.incarnation.worker(), List.of(failure(outcome))));
			}
			catch (DataIntegrityViolationException | UncategorizedSQLException ex) {
				logger.error("Message {} of queue '{}' cannot be settled, it stays leased until this process ends: {}",
						outcome.delivery().message().id(), outcome.delivery().container().queue(), ex.getMessage());
			}
			iterator.remove();
		}
	}

	private void moved(List<Outcome> outcomes, List<Held> lost) {
		Set<Held> lostOnes = new HashSet<>(lost);
		for (Outcome outcome : outcomes) {
			Delivery delivery = outcome.delivery();
			if (!delivery.message().redelivered()) {
				delivery.lease().moved();
			}
			if (!isLost(outcome, lostOnes.contains(delivery.held()))
					&& outcome.verdict() instanceof Verdict.DeadLetter) {
				this.events.deadLettered(delivery.container().queue(), Delivery.SUBSCRIPTION);
			}
		}
		// Who waits for these queues does not know yet when the next retry is due. Others
		// need to know only of what they may take at once.
		queues(outcomes, (retry) -> !retry.delay().isZero()).forEach(this.wakeUps::wake);
		queues(outcomes, (retry) -> retry.delay().isZero()).forEach(this.wakeUps::announce);
	}

	private static Stream<String> queues(List<Outcome> outcomes, Predicate<Verdict.Retry> wanted) {
		return outcomes.stream()
			.filter((outcome) -> outcome.verdict() instanceof Verdict.Retry retry && wanted.test(retry))
			.map((outcome) -> outcome.delivery().container().queue())
			.distinct();
	}

	private void acknowledge(long waitedSince) {
		List<Lease> due = new ArrayList<>();
		for (Lease lease : this.acknowledged) {
			if (lease.isComplete() || lease.waitingSince() - waitedSince <= 0) {
				due.add(lease);
			}
		}
		due.sort(Comparator.comparingLong(Lease::number));
		this.redelivered.sort(BY_LEASE);
		while (!due.isEmpty() || !this.redelivered.isEmpty()) {
			this.portion.run(MOST_AT_ONCE, (most) -> acknowledgeSome(due, most));
		}
	}

	/**
	 * Acknowledges the first of what is due.
	 * @return how many messages
	 */
	private int acknowledgeSome(List<Lease> due, int most) {
		List<Long> whole = new ArrayList<>();
		List<Held> parts = new ArrayList<>();
		List<List<Outcome>> written = new ArrayList<>();
		for (Lease lease : due) {
			List<Outcome> outcomes = lease.acknowledged();
			int left = most - whole.size() - parts.size();
			if (left <= 0) {
				break;
			}
			if (lease.isComplete()) {
				whole.add(lease.number());
			}
			else {
				outcomes = outcomes.subList(0, Math.min(left, outcomes.size()));
				outcomes.forEach((outcome) -> parts.add(outcome.delivery().held()));
			}
			written.add(outcomes);
		}
		List<Outcome> again = this.redelivered.subList(0, Math.min(most, this.redelivered.size()));
		Set<Held> lost = new HashSet<>(this.leases.settle(this.incarnation.worker(), whole, parts,
				again.stream().map((outcome) -> outcome.delivery().held()).toList()));
		written.add(again);
		int messages = 0;
		for (List<Outcome> some : written) {
			messages += some.size();
			some.forEach((outcome) -> acknowledged(outcome, lost));
			some.clear();
		}
		due.removeIf((lease) -> lease.acknowledged().isEmpty());
		this.acknowledged.removeIf((lease) -> lease.acknowledged().isEmpty());
		return messages;
	}

	private void acknowledged(Outcome outcome, Set<Held> lost) {
		Delivery delivery = outcome.delivery();
		boolean gone = lost.contains(delivery.held()) || lost.contains(new Held(delivery.lease().number(), 0));
		if (!isLost(outcome, gone)) {
			this.events.completed(delivery.container().queue(), Delivery.SUBSCRIPTION);
		}
	}

	private boolean isLost(Outcome outcome, boolean missing) {
		this.incarnation.settled(outcome.delivery().lease().number());
		boolean lost = missing && !outcome.delivery().isUnsure() && (!this.unsure || this.incarnation.isGone());
		if (lost) {
			Delivery delivery = outcome.delivery();
			logger.warn(
					"Message {} of queue '{}' was taken from this process before it was settled: it is delivered again",
					delivery.message().id(), delivery.container().queue());
			this.events.leaseLost(delivery.container().queue(), Delivery.SUBSCRIPTION);
		}
		return lost;
	}

	private static Failure failure(Outcome outcome) {
		Held held = outcome.delivery().held();
		String errorClass = ErrorText.className(outcome.failure());
		String errorMessage = ErrorText.message(outcome.failure());
		if (outcome.verdict() instanceof Verdict.Retry retry) {
			return new Failure(held, retry.delay().toMillis(), retry.counted(), null, errorClass, errorMessage, null);
		}
		String reason = (outcome.verdict() instanceof Verdict.DeadLetter dead) ? ErrorText.clean(dead.reason()) : null;
		// Beyond that no handler is begun: the attempts were spent before.
		boolean counted = outcome.delivery()
			.message()
			.attempt() <= outcome.delivery().container().retryPolicy().maxAttempts();
		return new Failure(held, 0, counted, reason, errorClass, errorMessage, ErrorText.stack(outcome.failure()));
	}

}
