package io.pgqueue.engine;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

import javax.sql.DataSource;

import io.pgqueue.engine.Pulls.Returned;
import org.jspecify.annotations.Nullable;

import org.springframework.dao.QueryTimeoutException;

/**
 * Registration, signs of life and recovery, on one connection outside the pool, so that a
 * pool that is busy or exhausted cannot make a living worker look dead. To be used by one
 * thread.
 */
public final class Workers implements AutoCloseable {

	private static final int LEASES_PER_RECOVERY = 20;

	private static final int LETTERS_PER_EXPIRY = 500;

	private final OwnConnection connection;

	private final Portion recovered = new Portion(LEASES_PER_RECOVERY);

	private final Portion expired = new Portion(LETTERS_PER_EXPIRY);

	private final Portion returned = new Portion(Pulls.MOST_RETURNED);

	private final String register;

	private final String succeed;

	private final String beat;

	private final String lookAround;

	private final String declareDead;

	private final String recover;

	private final String reconcile;

	private final String expire;

	private final String takeCancelRequests;

	private final String signOff;

	private final String returnOverdue;

	/**
	 * Creates an access to the workers.
	 * @param direct opens a new connection at each call
	 * @param schema name of the schema, unquoted
	 * @param limit how long a statement waits for an answer, before a new connection is
	 * opened: less than the others need to take this process for dead
	 */
	public Workers(DataSource direct, String schema, Duration limit) {
		Database database = new Database(direct, schema, limit);
		this.connection = new OwnConnection(direct, database);
		this.register = database.function("register_worker(?)");
		this.succeed = database.function("succeed(?)");
		this.beat = database.function("beat(?)");
		this.lookAround = database.function("look_around(?, ?, ?, ?)");
		this.declareDead = database.function("declare_dead(?, ?)");
		this.recover = database.function("recover(?, ?)");
		this.reconcile = database.function("reconcile(?, ?, ?, ?)");
		this.expire = database.function("expire_dead_letters(?, ?, ?, ?)");
		this.takeCancelRequests = database.function("take_cancel_requests(?)");
		this.signOff = database.function("sign_off(?)");
		this.returnOverdue = Pulls.returnOverdue(database);
	}

	/**
	 * Registers a new incarnation of this process.
	 * @param instance name of the process, for people
	 * @return its number
	 */
	public long register(String instance) {
		return this.connection.call(this.register, (statement) -> statement.setString(1, instance), (results) -> {
			results.next();
			return results.getLong(1);
		});
	}

	/**
	 * Declares dead the predecessors of a worker: workers of the same instance whose
	 * connection is gone.
	 * @param worker number of the worker
	 * @return how many there were
	 */
	public int succeed(long worker) {
		return this.connection.call(this.succeed, (statement) -> statement.setLong(1, worker), (results) -> {
			results.next();
			return results.getInt(1);
		});
	}

	/**
	 * Gives a sign of life.
	 * @param worker number of the worker
	 * @return false if it was declared dead
	 */
	public boolean beat(long worker) {
		return this.connection.call(this.beat, (statement) -> statement.setLong(1, worker), (results) -> {
			results.next();
			return results.getBoolean(1);
		});
	}

	/**
	 * Looks, once for all, for whatever somebody may have to do. Writes nothing.
	 * @param worker number of the worker that asks
	 * @param subscriptions what to look into: numbers of subscriptions, each with that of
	 * its queue
	 * @param dueFrom what the last call returned, or {@link OffsetDateTime#MIN} to look
	 * at everything
	 * @return what there is
	 */
	public Surroundings lookAround(long worker, Map<Integer, Integer> subscriptions, OffsetDateTime dueFrom) {
		List<Integer> numbers = List.copyOf(subscriptions.keySet());
		return this.connection.call(this.lookAround, (statement) -> {
			statement.setLong(1, worker);
			statement.setObject(2, numbers.stream().mapToInt(subscriptions::get).toArray());
			statement.setObject(3, numbers.stream().mapToInt(Integer::intValue).toArray());
			statement.setObject(4, dueFrom);
		}, Workers::readSurroundings);
	}

	private static Surroundings readSurroundings(ResultSet results) throws SQLException {
		Set<Integer> holding = new HashSet<>();
		List<Holder> holders = new ArrayList<>();
		while (results.next()) {
			switch (results.getString(1)) {
				case "s" -> holding.add(results.getInt(2));
				case "w" -> holders.add(new Holder(results.getLong(2), results.getObject(3, OffsetDateTime.class),
						results.getBoolean(4)));
				default -> {
					long micros = results.getLong(6);
					Duration nextDue = results.wasNull() ? null : Duration.of(micros, ChronoUnit.MICROS);
					return new Surroundings(holding, holders, results.getBoolean(5), nextDue,
							results.getObject(7, OffsetDateTime.class));
				}
			}
		}
		throw new IllegalStateException("A look around returned no last row");
	}

	/**
	 * Declares a worker dead unless it has given a sign of life in the meantime.
	 * @param holder the worker as it was last seen
	 * @return whether it is dead now by this call
	 */
	public boolean declareDead(Holder holder) {
		return this.connection.call(this.declareDead, (statement) -> {
			statement.setLong(1, holder.worker());
			statement.setObject(2, holder.beatAt());
		}, (results) -> {
			results.next();
			return results.getBoolean(1);
		});
	}

	/**
	 * Takes messages from a dead worker, a bounded number at a time.
	 * @param worker number of the dead worker
	 * @return how many were taken; call again until 0
	 */
	public int recover(long worker) {
		return this.recovered.run(LEASES_PER_RECOVERY, (leases) -> this.connection.call(this.recover, (statement) -> {
			statement.setLong(1, worker);
			statement.setInt(2, leases);
		}, (results) -> {
			results.next();
			return results.getInt(1);
		}));
	}

	/**
	 * Hands back what a living worker holds by the books but not in its hands. What is
	 * too much for one statement is done in several.
	 * @param worker number of the worker
	 * @param from first lease to look at
	 * @param to last lease to look at
	 * @param inHand leases that are in its hands
	 * @return how many messages were handed back
	 */
	public int reconcile(long worker, long from, long to, long[] inHand) {
		try {
			return reconcileAtOnce(worker, from, to, inHand);
		}
		catch (QueryTimeoutException ex) {
			if (from >= to) {
				throw ex;
			}
			long middle = from + (to - from) / 2;
			return reconcile(worker, from, middle, inHand) + reconcile(worker, middle + 1, to, inHand);
		}
	}

	private int reconcileAtOnce(long worker, long from, long to, long[] inHand) {
		return this.connection.call(this.reconcile, (statement) -> {
			statement.setLong(1, worker);
			statement.setLong(2, from);
			statement.setLong(3, to);
			statement.setObject(4, inHand);
		}, (results) -> {
			results.next();
			return results.getInt(1);
		});
	}

	/**
	 * Takes the requests to cancel what a worker has in hand.
	 * @param worker number of the worker
	 * @return identities of the messages
	 */
	public List<Long> takeCancelRequests(long worker) {
		return this.connection.call(this.takeCancelRequests, (statement) -> statement.setLong(1, worker), (results) -> {
			List<Long> ids = new ArrayList<>();
			while (results.next()) {
				ids.add(results.getLong(1));
			}
			return ids;
		});
	}

	/**
	 * Deletes dead letters that are older than a retention, a bounded number at a time.
	 * @param last what the call before returned, {@code null} to begin
	 * @param retention how long they are kept
	 * @return what was done; call again if there may be more
	 */
	public Expired expireDeadLetters(@Nullable Expired last, Duration retention) {
		return this.expired.run(LETTERS_PER_EXPIRY, (most) -> this.connection.call(this.expire, (statement) -> {
			statement.setInt(1, (last != null) ? last.subscription() : 0);
			statement.setObject(2, (last != null) ? last.from() : OffsetDateTime.MIN);
			statement.setLong(3, retention.toMillis());
			statement.setInt(4, most);
		}, (results) -> {
			results.next();
			int deleted = results.getInt(1);
			boolean more = deleted == most;
			return new Expired(deleted, more, results.getInt(2),
					more ? results.getObject(3, OffsetDateTime.class) : OffsetDateTime.MIN);
		}));
	}

	/**
	 * Signs a worker off.
	 * @param worker number of the worker
	 */
	public void signOff(long worker) {
		this.connection.call(this.signOff, (statement) -> statement.setLong(1, worker), (results) -> true);
	}

	/**
	 * Gives back received messages of all queues whose time is over, a bounded number at
	 * a time.
	 * @param lookFrom low-water mark of the last call, or {@link OffsetDateTime#MIN}
	 * @return how many were given back; call again until none
	 */
	public Returned returnOverdue(OffsetDateTime lookFrom) {
		return this.returned.run(Pulls.MOST_RETURNED, (most) -> this.connection.call(this.returnOverdue,
				Pulls.overdue(null, most, lookFrom), Pulls::readReturned));
	}

	@Override
	public void close() {
		this.connection.close();
	}

	/**
	 * What a worker has to know of what happens around it.
	 *
	 * @param subscriptions numbers of those that were asked for and hold something to
	 * claim
	 * @param holders the other workers that hold messages
	 * @param overdue whether received messages are to be given back
	 * @param nextDue time until the next scheduled message is due, a day at most,
	 * negative if it is overdue, {@code null} if none is scheduled
	 * @param dueFrom for the next look
	 */
	public record Surroundings(Set<Integer> subscriptions, List<Holder> holders, boolean overdue,
			@Nullable Duration nextDue, OffsetDateTime dueFrom) {
	}

	/**
	 * A worker that holds messages.
	 *
	 * @param worker number of the worker
	 * @param beatAt its last sign of life
	 * @param dead whether it was declared dead
	 */
	public record Holder(long worker, OffsetDateTime beatAt, boolean dead) {
	}

	/**
	 * Dead letters that were deleted because of their age.
	 *
	 * @param deleted how many
	 * @param more whether there may be more
	 * @param subscription number of the subscription to go on with
	 * @param from when the next ones of it died at the earliest
	 */
	public record Expired(int deleted, boolean more, int subscription, OffsetDateTime from) {
	}

}
