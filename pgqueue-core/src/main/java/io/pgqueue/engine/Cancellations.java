package io.pgqueue.engine;

import java.time.Duration;

import org.jspecify.annotations.Nullable;

/**
 * Cancels messages that nobody has claimed yet, in up to three steps. A message that
 * already stands in the log is first taken out of it, in a transaction of its own, and
 * waits for {@link #HOLD} where the caller's transaction can delete it: the log itself
 * would have to be locked until that one ends.
 */
public final class Cancellations {

	/**
	 * How long a message that was taken out of the log is kept from being delivered,
	 * until the caller's transaction has locked it.
	 */
	static final Duration HOLD = Duration.ofSeconds(5);

	private final Database database;

	private final String unsent;

	private final String takeOut;

	private final String waiting;

	/**
	 * Creates an access to messages that wait.
	 * @param database the database
	 */
	public Cancellations(Database database) {
		this.database = database;
		this.unsent = database.function("cancel_unsent(?, ?)");
		this.takeOut = database.function("take_out(?, ?, ?)");
		this.waiting = database.function("cancel_waiting(?, ?)");
	}

	/**
	 * Cancels a message, in the transaction that Spring has bound, or else by itself.
	 * @param queue name of the queue
	 * @param id identity of the message
	 * @return what was found
	 */
	public Outcome cancel(String queue, long id) {
		Outcome unsent = call(this.unsent, queue, id);
		if (unsent != Outcome.NOT_FOUND) {
			return unsent;
		}
		this.database.alone(this.takeOut, (statement) -> {
			statement.setString(1, queue);
			statement.setLong(2, id);
			statement.setLong(3, HOLD.toMillis());
		}, (results) -> true);
		return call(this.waiting, queue, id);
	}

	private Outcome call(String sql, String queue, long id) {
		Database.Parameters parameters = (statement) -> {
			statement.setString(1, queue);
			statement.setLong(2, id);
		};
		Database.Reader<Outcome> reader = (results) -> {
			results.next();
			return Outcome.of(results.getString(1));
		};
		return this.database.inTransaction() ? this.database.joined(sql, parameters, reader)
				: this.database.alone(sql, parameters, reader);
	}

	/**
	 * What a cancellation found.
	 */
	public enum Outcome {

		/**
		 * The message was cancelled before anybody claimed it.
		 */
		CANCELLED,

		/**
		 * The message is in the hands of a worker.
		 */
		IN_HAND,

		/**
		 * There is nothing to cancel.
		 */
		NOT_FOUND,

		/**
		 * The queue does not exist.
		 */
		UNKNOWN_QUEUE,

		/**
		 * The transaction is not at READ COMMITTED, so it would not see what there is to
		 * cancel.
		 */
		WRONG_ISOLATION;

		private static Outcome of(@Nullable String code) {
			return switch (String.valueOf(code)) {
				case "c" -> CANCELLED;
				case "h" -> IN_HAND;
				case "n" -> NOT_FOUND;
				case "q" -> UNKNOWN_QUEUE;
				case "i" -> WRONG_ISOLATION;
				default -> throw new IllegalStateException("A cancellation returned '" + code + "'");
			};
		}

	}

}
