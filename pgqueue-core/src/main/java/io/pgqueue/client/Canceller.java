package io.pgqueue.client;

import io.pgqueue.Cancellation;
import io.pgqueue.SendRejectedException;
import io.pgqueue.engine.Cancellations;
import io.pgqueue.engine.Database;
import org.jspecify.annotations.Nullable;

import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Cancels messages inside the transactions of the application.
 */
final class Canceller {

	private final Database database;

	private final Cancellations cancellations;

	private final SentMessages sent;

	Canceller(Database database, SentMessages sent) {
		this.database = database;
		this.cancellations = new Cancellations(database);
		this.sent = sent;
	}

	/**
	 * Cancels a message.
	 * @return what became of it, or null if the queue does not exist
	 */
	@Nullable Cancellation cancel(String queue, long id) {
		if (this.database.inTransaction()) {
			if (TransactionSynchronizationManager.isCurrentTransactionReadOnly()) {
				throw rejected(queue, id, "in a read-only transaction: use @Transactional without readOnly");
			}
			this.sent.commitsLate();
		}
		return switch (this.cancellations.cancel(queue, id)) {
			case CANCELLED -> {
				this.sent.mayComeBack(queue);
				yield Cancellation.CANCELLED;
			}
			case IN_HAND -> {
				this.sent.asked();
				yield Cancellation.CLAIMED;
			}
			case NOT_FOUND -> Cancellation.UNKNOWN;
			case UNKNOWN_QUEUE -> null;
			case WRONG_ISOLATION -> throw rejected(queue, id,
					"in a transaction that is not at READ COMMITTED, because it may not see what there is to cancel: "
							+ "use @Transactional(isolation = Isolation.READ_COMMITTED)");
		};
	}

	private static SendRejectedException rejected(String queue, long id, String why) {
		return new SendRejectedException(
				"Cannot cancel message " + id + " of '" + queue + "' " + why + ", or cancel outside of it");
	}

}
