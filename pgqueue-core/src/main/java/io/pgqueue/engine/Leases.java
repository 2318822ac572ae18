package io.pgqueue.engine;

import java.sql.Array;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToLongFunction;

import org.jspecify.annotations.Nullable;

/**
 * Claims messages and settles them. A message in hand is named by the number of its
 * worker, the number of its lease and its own id.
 */
public final class Leases {

	private final Database database;

	private final String claim;

	private final String settle;

	private final String settleAlone;

	private final String settleOne;

	private final String retry;

	private final String bury;

	/**
	 * Creates an access to the leases.
	 * @param database the database
	 */
	public Leases(Database database) {
		this.database = database;
		this.claim = database.function("claim(?, ?, ?, ?, ?, ?, ?, ?, ?)");
		this.settle = database.function("settle(?, ?, ?, ?, ?, ?)");
		this.settleAlone = database.function("settle_alone(?, ?, ?, ?, ?, ?)");
		this.settleOne = database.function("settle_one(?, ?)");
		this.retry = database.function("retry(?, ?, ?, ?, ?, ?, ?)");
		this.bury = database.function("bury(?, ?, ?, ?, ?, ?, ?, ?)");
	}

	/**
	 * Claims messages, in a transaction of its own and one round trip.
	 * @param request what to claim
	 * @return what was claimed
	 * @throws WorkerGoneException if the worker was declared dead
	 */
	public Claim claim(ClaimRequest request) {
		return this.database.alone(this.claim, (statement) -> {
			statement.setLong(1, request.worker());
			statement.setLong(2, request.lease());
			statement.setInt(3, request.queueId());
			statement.setInt(4, request.subscriptionId());
			statement.setInt(5, request.limit());
			statement.setLong(6, request.bytes());
			statement.setObject(7, request.dueFrom());
			statement.setBoolean(8, request.buryExpired());
			statement.setBoolean(9, request.single());
		}, (results) -> readClaim(request, results));
	}

	private static Claim readClaim(ClaimRequest request, ResultSet results) throws SQLException {
		List<ClaimedMessage> messages = new ArrayList<>(Math.min(request.limit(), 512));
		while (results.next()) {
			String state = results.getString(1);
			long id = results.getLong(3);
			if (results.wasNull()) {
				long due = results.getLong(8);
				Long nextDue = results.wasNull() ? null : due;
				return new Claim(messages, "m".equals(state), "b".equals(state), nextDue,
						results.getObject(9, OffsetDateTime.class), results.getInt(10));
			}
			messages.add(new ClaimedMessage(results.getLong(2), id, results.getInt(4),
					results.getObject(5, OffsetDateTime.class).toInstant(), results.getString(6), results.getString(7),
					!"l".equals(state), "s".equals(state)));
		}
		throw new IllegalStateException("A claim of worker " + request.worker() + " returned no last row");
	}

	/**
	 * Tells whether the current thread is in a transaction that
	 * {@link #settleInTransaction} would join.
	 * @return whether it is
	 */
	public boolean isInTransaction() {
		return this.database.inTransaction();
	}

	/**
	 * Acknowledges messages, in a transaction of its own that does not wait for the disk:
	 * if a crash of the server undoes it, they are delivered again.
	 * @param worker number of the worker
	 * @param leases numbers of leases to acknowledge as a whole, sorted
	 * @param parts messages out of leases that stay, sorted by lease
	 * @param retries messages that had come back from retry, sorted by lease
	 * @return what the worker no longer held; the id is 0 where a whole lease was lost
	 */
	public List<Held> settle(long worker, List<Long> leases, List<Held> parts, List<Held> retries) {
		return this.database.alone(this.settleAlone, settled(worker, leases, parts, retries), Leases::readLost);
	}

	/**
	 * Acknowledges messages for good, in a transaction of its own.
	 * @param worker number of the worker
	 * @param leases numbers of leases to acknowledge as a whole, sorted
	 * @param parts messages out of leases that stay, sorted by lease
	 * @param retries messages that had come back from retry, sorted by lease
	 * @return what the worker no longer held; the id is 0 where a whole lease was lost
	 */
	public List<Held> settleDurably(long worker, List<Long> leases, List<Held> parts, List<Held> retries) {
		return this.database.alone(this.settle, settled(worker, leases, parts, retries), Leases::readLost);
	}

	/**
	 * Acknowledges messages in the transaction of the current thread, at any isolation
	 * level.
	 * @param worker number of the worker
	 * @param leases numbers of leases to acknowledge as a whole, sorted
	 * @param parts messages out of leases that stay, sorted by lease
	 * @param retries messages that had come back from retry, sorted by lease
	 * @return what the worker no longer held; the id is 0 where a whole lease was lost
	 */
	public List<Held> settleInTransaction(long worker, List<Long> leases, List<Held> parts, List<Held> retries) {
		if (leases.size() == 1 && parts.isEmpty() && retries.isEmpty()) {
			return settleInTransaction(worker, leases.get(0));
		}
		return this.database.joined(this.settle, settled(worker, leases, parts, retries), Leases::readLost);
	}

	private List<Held> settleInTransaction(long worker, long lease) {
		return this.database.joined(this.settleOne, (statement) -> {
			statement.setLong(1, worker);
			statement.setLong(2, lease);
		}, (results) -> (results.next() && results.getBoolean(1)) ? List.of() : List.of(new Held(lease, 0)));
	}

	private static Database.Parameters settled(long worker, List<Long> leases, List<Held> parts, List<Held> retries) {
		return (statement) -> {
			statement.setLong(1, worker);
			statement.setObject(2, longs(leases, Long::longValue));
			statement.setObject(3, longs(parts, Held::lease));
			statement.setObject(4, longs(parts, Held::id));
			statement.setObject(5, longs(retries, Held::lease));
			statement.setObject(6, longs(retries, Held::id));
		};
	}

	/**
	 * Puts messages back for another delivery, in a transaction of its own.
	 * @param worker number of the worker
	 * @param failures the messages, sorted by lease
	 * @return what the worker no longer held
	 */
	public List<Held> retry(long worker, List<Failure> failures) {
		return this.database.alone(this.retry, (statement) -> {
			statement.setLong(1, worker);
			statement.setObject(2, longs(failures, (failure) -> failure.held().lease()));
			statement.setObject(3, longs(failures, (failure) -> failure.held().id()));
			statement.setObject(4, longs(failures, Failure::delayMillis));
			statement.setObject(5, charges(failures));
			statement.setArray(6, texts(statement, failures, Failure::errorClass));
			statement.setArray(7, texts(statement, failures, Failure::errorMessage));
		}, Leases::readLost);
	}

	/**
	 * Makes dead letters of messages, in a transaction of its own.
	 * @param worker number of the worker
	 * @param failures the messages, sorted by lease
	 * @return what the worker no longer held
	 */
	public List<Held> bury(long worker, List<Failure> failures) {
		return this.database.alone(this.bury, (statement) -> {
			statement.setLong(1, worker);
			statement.setObject(2, longs(failures, (failure) -> failure.held().lease()));
			statement.setObject(3, longs(failures, (failure) -> failure.held().id()));
			statement.setObject(4, charges(failures));
			statement.setArray(5, texts(statement, failures, Failure::reason));
			statement.setArray(6, texts(statement, failures, Failure::errorClass));
			statement.setArray(7, texts(statement, failures, Failure::errorMessage));
			statement.setArray(8, texts(statement, failures, Failure::errorStack));
		}, Leases::readLost);
	}

	private static List<Held> readLost(ResultSet results) throws SQLException {
		List<Held> lost = new ArrayList<>();
		while (results.next()) {
			lost.add(new Held(results.getLong(1), results.getLong(2)));
		}
		return lost;
	}

	private static <T> long[] longs(List<T> items, ToLongFunction<T> value) {
		return items.stream().mapToLong(value).toArray();
	}

	private static int[] charges(List<Failure> failures) {
		return failures.stream().mapToInt((failure) -> failure.counted() ? 1 : 0).toArray();
	}

	private static Array texts(PreparedStatement statement, List<Failure> failures,
			Function<Failure, @Nullable String> value) throws SQLException {
		return statement.getConnection().createArrayOf("text", failures.stream().map(value).toArray(String[]::new));
	}

	/**
	 * What to claim.
	 *
	 * @param worker number of the worker
	 * @param lease number of the new lease, never used before by this worker
	 * @param queueId number of the queue
	 * @param subscriptionId number of the subscription
	 * @param limit most messages to claim
	 * @param bytes bytes of payload after which to stop
	 * @param dueFrom what the last claim returned, or {@link OffsetDateTime#MIN}
	 * @param buryExpired whether expired messages become dead letters, or else are
	 * discarded
	 * @param single whether each message of the log gets a lease of its own; their
	 * numbers follow that of {@code lease}
	 */
	public record ClaimRequest(long worker, long lease, int queueId, int subscriptionId, int limit, long bytes,
			OffsetDateTime dueFrom, boolean buryExpired, boolean single) {
	}

	/**
	 * What was claimed.
	 *
	 * @param messages the messages
	 * @param more whether more may be there at once
	 * @param busy whether another claim was reading the log, so that more may be there
	 * @param nextDueMicros microseconds until the next retry is due, 0 if more are due
	 * now, {@code null} if none waits
	 * @param dueFrom for the next claim
	 * @param expired how many messages are gone because they had expired
	 */
	public record Claim(List<ClaimedMessage> messages, boolean more, boolean busy, @Nullable Long nextDueMicros,
			OffsetDateTime dueFrom, int expired) {
	}

	/**
	 * A message in the hands of a worker.
	 *
	 * @param lease number of the lease
	 * @param id identity of the message
	 */
	public record Held(long lease, long id) {
	}

	/**
	 * A message whose delivery did not succeed.
	 *
	 * @param held which message
	 * @param delayMillis milliseconds until the next delivery
	 * @param counted whether the delivery counts as an attempt
	 * @param reason why it was given up; not kept with a message that is put back
	 * @param errorClass what was thrown, if anything
	 * @param errorMessage what it said, if anything
	 * @param errorStack where it was thrown; not kept with a message that is put back
	 */
	public record Failure(Held held, long delayMillis, boolean counted, @Nullable String reason,
			@Nullable String errorClass, @Nullable String errorMessage, @Nullable String errorStack) {
	}

}
