package io.pgqueue.listener;

import org.jspecify.annotations.Nullable;

import org.springframework.transaction.ConfigurableTransactionManager;
import org.springframework.transaction.TransactionExecution;
import org.springframework.transaction.TransactionExecutionListener;

/**
 * Recognises the transaction that a handler itself opens, and has its acknowledgement
 * join it. An outer transaction of the container would not do: a handler that is both
 * retryable and transactional marks it rollback-only with its first failure.
 */
final class TransactionHook implements TransactionExecutionListener {

	private static final TransactionHook INSTANCE = new TransactionHook();

	private TransactionHook() {
	}

	static void installOn(ConfigurableTransactionManager manager) {
		synchronized (INSTANCE) {
			if (!manager.getTransactionExecutionListeners().contains(INSTANCE)) {
				manager.addListener(INSTANCE);
			}
		}
	}

	@Override
	public void afterBegin(TransactionExecution transaction, @Nullable Throwable beginFailure) {
		Handling handling = Handling.current();
		if (beginFailure == null && handling != null && !handling.isInTransaction() && transaction.isNewTransaction()
				&& handling.processor().transactions().isOfHandler(transaction.getTransactionName())) {
			handling.processor().transactions().join(handling);
		}
	}

}
