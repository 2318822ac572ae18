package io.pgqueue.engine;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

import io.pgqueue.engine.Leases.Held;
import org.jspecify.annotations.Nullable;

/**
 * Claims messages outside a container, each for a limited time. What is claimed is held
 * under the number of a receiver, which is that of a worker who gives no signs of life,
 * and settled like everything else.
 */
public final class Pulls {

	static final int MOST_RETURNED = 1_000;

	private final Database database;

	private final Portion returned = new Portion(MOST_RETURNED);

	private final String register;

	private final String receive;

	private final String lock;

	private final String extend;

	private final String returnOverdue;

	/**
	 * Creates an access to pulled messages.
	 * @param database the database
	 */
	public Pulls(Database database) {
		this.database = database;
		this.register = database.function("register_receiver(?)");
		this.receive = database.function("receive(?, ?, ?, ?, ?, ?, ?, ?)");
		this.lock = database.function("lock_received(?, ?, ?, ?)");
		this.extend = database.function("extend(?, ?, ?, ?, ?)");
		this.returnOverdue = returnOverdue(database);
	}

	static String returnOverdue(Database database) {
		return database.function("return_overdue(?, ?, ?)");
	}

	/**
	 * Registers a receiver.
	 * @param instance name of the process, for people
	 * @return its number, never used before
	 */
	public long register(String instance) {
		return this.database.alone(this.register, (statement) -> statement.setString(1, instance), (results) -> {
			results.next();
			return results.getLong(1);
		});
	}

	/**
	 * Claims messages, in a transaction of its own and one round trip.
	 * @param request what to claim
	 * @return what was claimed; empty if the queue does not exist
	 * @throws WorkerGoneException if the receiver is not registered any more
	 */
	public Optional<Pull> receive(PullRequest request) {
		return this.database.alone(this.receive, (statement) -> {
			statement.setLong(1, request.receiver());
			statement.setLong(2, request.number());
			statement.setString(3, request.queue());
			statement.setInt(4, request.limit());
			statement.setLong(5, request.bytes());
			statement.setLong(6, request.millis());
			statement.setObject(7, request.marks().dueFrom());
			statement.setObject(8, request.marks().lookFrom());
		}, (results) -> readPull(request, results));
	}

	private static Optional<Pull> readPull(PullRequest request, ResultSet results) throws SQLException {
		List<ClaimedMessage> messages = new ArrayList<>(Math.min(request.limit(), 512));
		while (results.next()) {
			String state = results.getString(1);
			long id = results.getLong(3);
			if (results.wasNull()) {
				Marks marks = new Marks(results.getObject(8, OffsetDateTime.class),
						results.getObject(9, OffsetDateTime.class));
				return Optional
					.of(new Pull(request.receiver(), messages, !"e".equals(state), results.getBoolean(10), marks));
			}
			messages.add(new ClaimedMessage(results.getLong(2), id, results.getInt(4),
					results.getObject(5, OffsetDateTime.class).toInstant(), results.getString(6), results.getString(7),
					!"l".equals(state), "s".equals(state)));
		}
		return Optional.empty();
	}

	/**
	 * Tells whether a message is still held and nobody is just settling it.
	 * @param receiver number of the receiver
	 * @param held the message
	 * @param redelivered whether it had come back from retry
	 * @return whether it is
	 */
	public boolean isHeld(long receiver, Held held, boolean redelivered) {
		return this.database.alone(this.lock, (statement) -> {
			statement.setLong(1, receiver);
			statement.setLong(2, held.lease());
			statement.setLong(3, held.id());
			statement.setBoolean(4, redelivered);
		}, (results) -> {
			results.next();
			results.getInt(1);
			return !results.wasNull();
		});
	}

	/**
	 * Lets a message be held for longer, in a transaction of its own.
	 * @param receiver number of the receiver
	 * @param held the message
	 * @param redelivered whether it had come back from retry
	 * @param millis how long from now
	 * @return false if it is no longer held, or somebody is just settling it
	 */
	public boolean extend(long receiver, Held held, boolean redelivered, long millis) {
		return this.database.alone(this.extend, (statement) -> {
			statement.setLong(1, receiver);
			statement.setLong(2, held.lease());
			statement.setLong(3, held.id());
			statement.setBoolean(4, redelivered);
			statement.setLong(5, millis);
		}, (results) -> {
			results.next();
			return results.getBoolean(1);
		});
	}

	/**
	 * Gives back messages of a queue whose time is over, a bounded number at a time.
	 * @param queue name of the queue
	 * @param lookFrom low-water mark of the last pull
	 * @return how many were given back
	 */
	public int returnOverdue(String queue, OffsetDateTime lookFrom) {
		return this.returned
			.run(MOST_RETURNED,
					(most) -> this.database.alone(this.returnOverdue, overdue(queue, most, lookFrom),
							Pulls::readReturned))
			.messages();
	}

	static Database.Parameters overdue(@Nullable String queue, int most, OffsetDateTime lookFrom) {
		return (statement) -> {
			statement.setString(1, queue);
			statement.setInt(2, most);
			statement.setObject(3, lookFrom);
		};
	}

	static Returned readReturned(ResultSet results) throws SQLException {
		results.next();
		return new Returned(results.getInt(1), results.getObject(2, OffsetDateTime.class));
	}

	/**
	 * What to pull.
	 *
	 * @param receiver number of the receiver
	 * @param number number of the first lease; this one and those of the next
	 * {@code limit} were never used before by this receiver
	 * @param queue name of the queue
	 * @param limit most messages to claim
	 * @param bytes bytes of payload after which to stop
	 * @param millis how long the messages may be held
	 * @param marks where to start looking
	 */
	public record PullRequest(long receiver, long number, String queue, int limit, long bytes, long millis,
			Marks marks) {
	}

	/**
	 * What was pulled.
	 *
	 * @param receiver number of the receiver
	 * @param messages the messages
	 * @param more whether more may be there at once or in a moment
	 * @param overdue whether messages of this queue are to be given back
	 * @param marks for the next pull of this queue
	 */
	public record Pull(long receiver, List<ClaimedMessage> messages, boolean more, boolean overdue, Marks marks) {
	}

	/**
	 * Low-water marks: nothing that is to be found lies before them, but for what was
	 * committed very late.
	 *
	 * @param dueFrom for due retries
	 * @param lookFrom for overdue messages
	 */
	public record Marks(OffsetDateTime dueFrom, OffsetDateTime lookFrom) {

		/**
		 * Marks with which everything is looked at.
		 */
		public static final Marks NONE = new Marks(OffsetDateTime.MIN, OffsetDateTime.MIN);

	}

	/**
	 * What was given back.
	 *
	 * @param messages how many
	 * @param lookFrom for the next call
	 */
	public record Returned(int messages, OffsetDateTime lookFrom) {
	}

}
