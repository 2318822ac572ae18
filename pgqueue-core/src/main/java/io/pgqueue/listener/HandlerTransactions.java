package io.pgqueue.listener;

import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;

import io.pgqueue.AckMode;
import io.pgqueue.BatchResult;
import io.pgqueue.TransactionTimeoutException;
import io.pgqueue.engine.SqlFailures;
import io.pgqueue.listener.QueueListenerContainer.Collaborators;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.messaging.Message;
import org.springframework.transaction.TransactionSystemException;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Invokes the handler of one container, and has the transaction that the handler or the
 * container opens acknowledge its messages.
 */
final class HandlerTransactions {

	private static final Logger logger = LoggerFactory.getLogger(HandlerTransactions.class);

	private final ContainerOptions options;

	private final HandlerMethodInvoker handler;

	private final Collaborators shared;

	private final @Nullable TransactionTemplate template;

	private final Set<String> transactionsOfHandler;

	private final AtomicBoolean warned = new AtomicBoolean();

	HandlerTransactions(ContainerOptions options, HandlerMethodInvoker handler, Collaborators shared) {
		this.options = options;
		this.handler = handler;
		this.shared = shared;
		this.template = (options.ackMode() == AckMode.TRANSACTIONAL && options.transactionManager() != null)
				? new TransactionTemplate(options.transactionManager()) : null;
		this.transactionsOfHandler = (options.ackMode() == AckMode.AUTO)
				? handler.transactions().stream().map(HandlerTransaction::name).collect(Collectors.toUnmodifiableSet())
				: Set.of();
	}

	/**
	 * Tells whether a transaction is expected to acknowledge.
	 */
	boolean areExpected() {
		return this.template != null || !this.transactionsOfHandler.isEmpty();
	}

	/**
	 * Invokes the handler.
	 * @return what it threw, or null
	 */
	@Nullable Throwable invoke(Handling handling, List<Message<?>> messages) {
		handling.begin();
		try {
			if (this.template == null) {
				handle(handling, messages);
			}
			else {
				this.template.executeWithoutResult((status) -> {
					join(handling);
					try {
						handle(handling, messages);
					}
					catch (RuntimeException | Error ex) {
						throw ex;
					}
					catch (Exception ex) {
						throw new CheckedException(ex);
					}
				});
			}
			return null;
		}
		catch (CheckedException ex) {
			return ex.getCause();
		}
		catch (Throwable ex) {
			return explained(ex, handling);
		}
		finally {
			handling.end();
		}
	}

	// When the server has closed the connection, the rollback fails too, and hides why.
	private Throwable explained(Throwable failure, Handling handling) {
		RuntimeException hidden = handling.ackFailure();
		if (failure instanceof TransactionSystemException rollback && hidden != null
				&& rollback.getApplicationException() == null) {
			rollback.initApplicationException(hidden);
		}
		String setting = SqlFailures.endedBy(failure);
		if (setting == null && hidden != null) {
			setting = SqlFailures.endedBy(hidden);
		}
		return (setting != null) ? new TransactionTimeoutException(
				"The server has ended a transaction of listener '" + this.options.id() + "' because of its setting "
						+ setting + ": let less time pass between the handler's statements, or make the setting longer",
				failure) : failure;
	}

	private void handle(Handling handling, List<Message<?>> messages) throws Exception {
		if (this.handler.invoke(messages) instanceof BatchResult result) {
			handling.setResult(result);
		}
	}

	/**
	 * Tells whether a transaction of this name is the one that the handler opens.
	 */
	boolean isOfHandler(@Nullable String name) {
		return name != null && this.transactionsOfHandler.contains(name);
	}

	/**
	 * Has the transaction of the current thread acknowledge a handling.
	 * @return false if there is none on the DataSource of the queues
	 */
	boolean join(Handling handling) {
		if (!this.shared.leases().isInTransaction()) {
			if (areExpected() && this.warned.compareAndSet(false, true)) {
				logger.warn("The transaction of listener '{}' is not on the DataSource of the queues:"
						+ " its messages are acknowledged after the handler, at least once", this.options.id());
			}
			if (TransactionSynchronizationManager.isSynchronizationActive()) {
				TransactionSynchronizationManager.registerSynchronization(new Watched(handling));
			}
			return false;
		}
		handling.setInTransaction(true);
		TransactionSynchronizationManager
			.registerSynchronization(new TransactionalAck(handling, this.shared.leases(), this.shared.events()));
		return true;
	}

	/**
	 * Notes whether a transaction that cannot acknowledge was rolled back.
	 */
	private record Watched(Handling handling) implements TransactionSynchronization {

		@Override
		public void afterCompletion(int status) {
			this.handling.setRolledBack(status != STATUS_COMMITTED);
		}

	}

	/**
	 * Carries a checked exception of a handler out of the container's transaction, which
	 * rolls back.
	 */
	private static final class CheckedException extends RuntimeException {

		CheckedException(Exception cause) {
			super(cause);
		}

	}

}
