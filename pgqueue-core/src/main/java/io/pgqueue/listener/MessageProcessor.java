package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

import io.pgqueue.AckMode;
import io.pgqueue.BatchFailedException;
import io.pgqueue.HandlerTimeoutException;
import io.pgqueue.Verdict;
import io.pgqueue.engine.SqlFailures;
import io.pgqueue.listener.QueueListenerContainer.Collaborators;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.messaging.Message;
import org.springframework.transaction.UnexpectedRollbackException;

/**
 * Takes a unit of work, which is one message or the batch of a batch handler, from claim
 * to verdict. Nothing that a message or a handler does gets past it.
 */
final class MessageProcessor {

	private static final Logger logger = LoggerFactory.getLogger(MessageProcessor.class);

	private static final Verdict COMPLETE = new Verdict.Complete();

	private static final Verdict RELEASE = new Verdict.Retry(Duration.ZERO, false);

	private final ContainerOptions options;

	private final HandlerMethodInvoker handler;

	private final Collaborators shared;

	private final HandlerTransactions transactions;

	private final OpenHandlings open;

	private final FailurePolicy failurePolicy;

	private final TransactionTurns turns;

	private final String lostConnections;

	private volatile boolean stopping;

	MessageProcessor(ContainerOptions options, HandlerMethodInvoker handler, Collaborators shared) {
		this.options = options;
		this.handler = handler;
		this.shared = shared;
		this.transactions = new HandlerTransactions(options, handler, shared);
		this.open = new OpenHandlings(options, this);
		this.failurePolicy = new FailurePolicy(options, handler);
		this.turns = new TransactionTurns(shared.transactions());
		this.lostConnections = "Listener '" + options.id() + "' loses its connections";
	}

	/**
	 * Returns the words for handlers that cannot reach the database.
	 */
	String lostConnections() {
		return this.lostConnections;
	}

	/**
	 * Returns what a thread needs to handle messages of this container one after another.
	 */
	TransactionTurn newTurn() {
		return new TransactionTurn(this.turns);
	}

	HandlerTransactions transactions() {
		return this.transactions;
	}

	OpenHandlings open() {
		return this.open;
	}

	/**
	 * Tells whether a unit of work is a batch.
	 */
	boolean isBatch() {
		return this.handler.isBatch();
	}

	/**
	 * Tells whether each message is settled on its own: in a transaction of its own, or
	 * whenever somebody decides to.
	 */
	boolean settlesOneByOne() {
		return !isBatch() && (this.options.ackMode() != AckMode.AUTO || this.transactions.areExpected());
	}

	/**
	 * Handles a unit of work.
	 * @param deliveries the messages
	 * @param slot the place among the concurrent handlers that it takes
	 * @param turn of the thread, to have a transaction open
	 */
	void process(List<Delivery> deliveries, Dispatcher.Slot slot, TransactionTurn turn) {
		List<Delivery> decoded = new ArrayList<>(deliveries.size());
		List<Message<?>> messages = new ArrayList<>(deliveries.size());
		for (Delivery delivery : deliveries) {
			if (delivery.isCancelled()) {
				release(delivery);
			}
			else if (!buryIfExhausted(delivery)) {
				decode(delivery, decoded, messages);
			}
		}
		if (messages.isEmpty()) {
			return;
		}
		// Whatever decoding did to the flag must not disturb what follows.
		Thread.interrupted();
		if (this.transactions.areExpected() && !turn.begin()) {
			decoded.forEach(this::release);
			return;
		}
		handle(decoded, messages, slot);
		turn.pass();
	}

	private void handle(List<Delivery> deliveries, List<Message<?>> messages, Dispatcher.Slot slot) {
		if (this.options.ackMode() == AckMode.ON_RECEIVE && !acknowledgeFirst(deliveries)) {
			return;
		}
		Handling handling = new Handling(deliveries, this, slot, this.options.timeout());
		this.open.add(handling);
		Throwable failure = this.transactions.invoke(handling, messages);
		if (this.options.ackMode() == AckMode.MANUAL && failure == null && !handling.isDecided() && slot.keep()) {
			this.open.closeIfDecided(handling);
			return;
		}
		this.open.remove(handling);
		conclude(handling, failure);
	}

	// At most once: what the database has not confirmed is not handled.
	private boolean acknowledgeFirst(List<Delivery> deliveries) {
		try {
			TransactionalAck.settle(deliveries, this.shared.leases()::settleDurably);
		}
		catch (RuntimeException ex) {
			this.shared.worker().outages().failed(this.lostConnections, ex);
			logger.debug("{} messages of queue '{}' are not handled, because they could not be acknowledged first",
					deliveries.size(), this.options.queue(), ex);
			deliveries.forEach(Delivery::setUnsure);
			deliveries.forEach(this::release);
			return false;
		}
		for (Delivery delivery : deliveries) {
			delivery.decide();
			delivery.lease().incarnation().settled(delivery.lease().number());
		}
		return true;
	}

	/**
	 * Hands a message back that was not started; the delivery does not count.
	 */
	void release(Delivery delivery) {
		decide(delivery, RELEASE);
	}

	/**
	 * From now on nothing new is begun.
	 */
	void setDraining() {
		this.turns.end();
	}

	/**
	 * From now on handlers that fail were interrupted because the container stops, which
	 * costs their messages no attempt.
	 */
	void setStopping() {
		this.stopping = true;
	}

	/**
	 * Decides about a delivery, unless that was done before. One that is not wanted any
	 * more is not put back.
	 */
	void decide(Delivery delivery, Verdict verdict) {
		if (!delivery.decide()) {
			return;
		}
		boolean dropped = delivery.isCancelled() && verdict instanceof Verdict.Retry;
		if (dropped) {
			logger.info("Message {} of queue '{}' was cancelled and is given up", delivery.message().id(),
					this.options.queue());
		}
		this.shared.settler().settle(new Outcome(delivery, dropped ? COMPLETE : verdict, null));
	}

	// A message whose process died has spent an attempt without anybody deciding about
	// it.
	private boolean buryIfExhausted(Delivery delivery) {
		int spent = delivery.message().attempt() - 1;
		if (spent < this.options.retryPolicy().maxAttempts()) {
			return false;
		}
		logger.warn("Message {} of queue '{}' is a dead letter: {} of {} attempts are spent", delivery.message().id(),
				this.options.queue(), spent, this.options.retryPolicy().maxAttempts());
		decide(delivery, new Verdict.DeadLetter("attempts are spent"));
		return true;
	}

	private void decode(Delivery delivery, List<Delivery> decoded, List<Message<?>> messages) {
		try {
			messages.add(this.handler.decode(delivery.message(), this.options.queue()));
			decoded.add(delivery);
		}
		catch (Throwable ex) {
			fail(delivery, ex);
		}
	}

	/**
	 * Decides about what a handler has not decided itself, once: when it has returned, or
	 * is given up.
	 */
	void conclude(Handling handling, @Nullable Throwable failure) {
		if (!handling.conclude()) {
			return;
		}
		if (this.options.ackMode() == AckMode.ON_RECEIVE || (failure != null && handling.isDecided())) {
			report(handling, (failure == null && handling.isInterrupted()) ? timedOut() : failure);
		}
		else if (handling.isLeaseLost()) {
			// What is still held goes back at once; of the rest the settler tells.
			handling.deliveries().forEach(this::release);
		}
		else if (handling.isInterrupted()) {
			failAll(handling, timedOut());
		}
		else if (failure instanceof BatchFailedException named) {
			conclude(handling, named.failures(), handling.isRolledBack() ? RELEASE : COMPLETE);
		}
		else if (failure != null) {
			failAll(handling, failure);
		}
		else if (handling.isRolledBack() && handling.result().failures().isEmpty()) {
			failAll(handling, new UnexpectedRollbackException("The handler of '" + this.options.id()
					+ "' returned, but its transaction was rolled back: whoever marks it rollback-only should throw"));
		}
		else {
			conclude(handling, handling.result().failures(), handling.isRolledBack() ? RELEASE : COMPLETE);
		}
	}

	private void conclude(Handling handling, Map<Long, ? extends Throwable> failures, Verdict others) {
		for (Delivery delivery : handling.deliveries()) {
			Throwable failure = failures.isEmpty() ? null : failures.get(delivery.message().id());
			if (failure != null) {
				fail(delivery, failure);
			}
			else {
				decide(delivery, others);
			}
		}
	}

	// Nothing can be decided any more: the messages were acknowledged, or given up.
	private void report(Handling handling, @Nullable Throwable failure) {
		for (Delivery delivery : handling.deliveries()) {
			Throwable own = (failure != null) ? failure : handling.result().failures().get(delivery.message().id());
			if (own != null) {
				logger.warn("Message {} of queue '{}' failed after it was settled: {}", delivery.message().id(),
						this.options.queue(), ErrorText.oneLine(own));
				this.shared.events().failed(this.options.queue(), Delivery.SUBSCRIPTION, own);
			}
			else {
				this.shared.events().completed(this.options.queue(), Delivery.SUBSCRIPTION);
			}
		}
	}

	void failAll(Handling handling, Throwable failure) {
		for (Delivery delivery : handling.deliveries()) {
			fail(delivery, failure);
		}
	}

	HandlerTimeoutException timedOut() {
		return new HandlerTimeoutException("The delivery was not settled within " + this.options.timeout()
				+ ": make the handler of '" + this.options.id() + "' quicker or its timeout longer");
	}

	private void fail(Delivery delivery, Throwable failure) {
		if (this.stopping || delivery.isCancelled()) {
			release(delivery);
			return;
		}
		if (!delivery.decide()) {
			return;
		}
		Verdict verdict = this.failurePolicy.decide(delivery, failure);
		log(delivery, verdict, failure);
		this.shared.events().failed(this.options.queue(), Delivery.SUBSCRIPTION, failure);
		this.shared.settler().settle(new Outcome(delivery, verdict, failure));
	}

	private void log(Delivery delivery, Verdict verdict, Throwable failure) {
		long id = delivery.message().id();
		if (logger.isDebugEnabled()) {
			// Not the exception itself, whose methods may throw.
			logger.debug("Failure of message {}: {}", id, ErrorText.stack(failure));
		}
		if (verdict instanceof Verdict.Retry && SqlFailures.isConnectionLost(failure)) {
			// All handlers fail then: a line for each would tell nothing more.
			this.shared.worker().outages().failed(this.lostConnections, failure);
			return;
		}
		if (verdict instanceof Verdict.DeadLetter dead) {
			logger.warn("Message {} of queue '{}' is a dead letter, {}: {}", id, this.options.queue(), dead.reason(),
					ErrorText.oneLine(failure));
		}
		else if (verdict instanceof Verdict.Retry retry) {
			logger.info("Message {} of queue '{}' failed, attempt {} of {}{}, next in {} ms: {}", id,
					this.options.queue(), delivery.message().attempt(), this.options.retryPolicy().maxAttempts(),
					retry.counted() ? "" : ", which does not count", retry.delay().toMillis(),
					ErrorText.oneLine(failure));
		}
		else {
			logger.info("Message {} of queue '{}' failed and is acknowledged by the error handler: {}", id,
					this.options.queue(), ErrorText.oneLine(failure));
		}
	}

}
