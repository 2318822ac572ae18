package io.pgqueue.engine;

import java.sql.Array;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * Reads dead letters, puts them back for delivery and deletes them.
 */
public final class DeadLetters {

	private static final long BATCH_BYTES = 8L * 1024 * 1024;

	private final Database database;

	private final String subscriptions;

	private final String list;

	private final String read;

	private final String batch;

	private final String redrive;

	private final String discard;

	/**
	 * Creates an access to the dead letters.
	 * @param database the database
	 */
	public DeadLetters(Database database) {
		this.database = database;
		this.subscriptions = database.function("subscriptions(?)");
		this.list = database.function("dead_letters(?, ?, ?, ?, ?, ?)");
		this.read = database.function("dead_letter(?, ?)");
		this.batch = database.function("dead_letter_batch(?, ?, ?, ?, ?, ?, ?)");
		this.redrive = database.function("redrive(?, ?, ?, ?)");
		this.discard = database.function("discard(?, ?, ?)");
	}

	/**
	 * Lists subscriptions.
	 * @param queue name of the queue, {@code null} for all queues
	 * @return its subscriptions, by name
	 */
	public List<Subscription> subscriptions(@Nullable String queue) {
		return this.database.joined(this.subscriptions, (statement) -> statement.setString(1, queue), (results) -> {
			List<Subscription> found = new ArrayList<>();
			while (results.next()) {
				found.add(new Subscription(results.getInt(1), results.getString(2), results.getString(3),
						instant(results, 4)));
			}
			return found;
		});
	}

	/**
	 * Lists the newest dead letters.
	 * @param subscriptions numbers of the subscriptions to look into
	 * @param errorClass only those with this error class, {@code null} for all
	 * @param from only those that died then or later
	 * @param before only those that died before, and at the same time with a lower id
	 * @param limit most to list
	 * @return the dead letters, newest first
	 */
	public List<Row> list(int[] subscriptions, @Nullable String errorClass, Instant from, Death before, int limit) {
		return this.database.joined(this.list, (statement) -> {
			statement.setObject(1, subscriptions);
			statement.setString(2, errorClass);
			statement.setObject(3, time(from));
			statement.setObject(4, time(before.deadAt()));
			statement.setLong(5, before.id());
			statement.setInt(6, limit);
		}, (results) -> {
			List<Row> rows = new ArrayList<>();
			while (results.next()) {
				rows.add(row(results));
			}
			return rows;
		});
	}

	/**
	 * Reads one dead letter.
	 * @param subscription number of the subscription
	 * @param id identity of the message
	 * @return the dead letter, or {@code null} if there is none
	 */
	public @Nullable Content read(int subscription, long id) {
		List<Content> found = this.database.joined(this.read, (statement) -> {
			statement.setInt(1, subscription);
			statement.setLong(2, id);
		}, (results) -> results.next()
				? List
					.of(new Content(row(results), results.getString(11), results.getString(12), results.getString(13)))
				: List.of());
		return found.isEmpty() ? null : found.get(0);
	}

	/**
	 * Names the oldest dead letters, not more than fit into a short transaction.
	 * @param subscription number of the subscription
	 * @param errorClass only those with this error class, {@code null} for all
	 * @param after only those that died after this one
	 * @param before only those that died before then
	 * @param limit most to name
	 * @return the dead letters, oldest first; empty if there are none
	 */
	public List<Death> batch(int subscription, @Nullable String errorClass, Death after, Instant before, int limit) {
		return this.database.alone(this.batch, (statement) -> {
			statement.setInt(1, subscription);
			statement.setString(2, errorClass);
			statement.setObject(3, time(after.deadAt()));
			statement.setLong(4, after.id());
			statement.setObject(5, time(before));
			statement.setInt(6, limit);
			statement.setLong(7, BATCH_BYTES);
		}, (results) -> {
			List<Death> deaths = new ArrayList<>();
			while (results.next()) {
				deaths.add(new Death(instant(results, 2), results.getLong(1)));
			}
			return deaths;
		});
	}

	/**
	 * Puts dead letters back for delivery, in a transaction of its own.
	 * @param subscription number of the subscription
	 * @param deaths which ones
	 * @param delaysMillis milliseconds until each is due
	 * @return how many were put back; the others are no longer there
	 */
	public int redrive(int subscription, List<Death> deaths, long[] delaysMillis) {
		return this.database.alone(this.redrive, (statement) -> {
			set(statement, subscription, deaths);
			statement.setObject(4, delaysMillis);
		}, DeadLetters::count);
	}

	/**
	 * Deletes dead letters for good, in a transaction of its own.
	 * @param subscription number of the subscription
	 * @param deaths which ones
	 * @return how many were deleted; the others are no longer there
	 */
	public int discard(int subscription, List<Death> deaths) {
		return this.database.alone(this.discard, (statement) -> set(statement, subscription, deaths),
				DeadLetters::count);
	}

	private static void set(PreparedStatement statement, int subscription, List<Death> deaths) throws SQLException {
		statement.setInt(1, subscription);
		statement.setObject(2, deaths.stream().mapToLong(Death::id).toArray());
		Array times = statement.getConnection()
			.createArrayOf("timestamptz",
					deaths.stream().map((death) -> death.deadAt().toString()).toArray(String[]::new));
		statement.setArray(3, times);
	}

	private static int count(ResultSet results) throws SQLException {
		results.next();
		return results.getInt(1);
	}

	private static Row row(ResultSet results) throws SQLException {
		return new Row(results.getInt(1), new Death(instant(results, 6), results.getLong(2)), results.getInt(3),
				results.getInt(4), instant(results, 5), results.getString(7), results.getString(8),
				results.getString(9), results.getString(10));
	}

	private static Instant instant(ResultSet results, int column) throws SQLException {
		return results.getObject(column, OffsetDateTime.class).toInstant();
	}

	private static OffsetDateTime time(Instant instant) {
		if (instant.equals(Instant.MIN)) {
			return OffsetDateTime.MIN;
		}
		return instant.equals(Instant.MAX) ? OffsetDateTime.MAX : instant.atOffset(ZoneOffset.UTC);
	}

	/**
	 * A subscription.
	 *
	 * @param id its number
	 * @param queue name of its queue
	 * @param name its name
	 * @param asOf when it was looked up, by the clock of the database
	 */
	public record Subscription(int id, String queue, String name, Instant asOf) {
	}

	/**
	 * One death of a message, which it may die again after a redrive.
	 *
	 * @param deadAt when it was given up
	 * @param id identity of the message
	 */
	public record Death(Instant deadAt, long id) {
	}

	/**
	 * A dead letter without its payload.
	 *
	 * @param subscriptionId number of the subscription that gave it up
	 * @param death which one
	 * @param attempts how often it was delivered since it was sent or redriven
	 * @param redrives how often it was redriven
	 * @param enqueuedAt when it was sent
	 * @param reason why it was given up, in a few words
	 * @param errorClass what was thrown last, if anything
	 * @param errorMessage what it said, if anything
	 * @param worker name of the process that gave it up
	 */
	public record Row(int subscriptionId, Death death, int attempts, int redrives, Instant enqueuedAt,
			@Nullable String reason, @Nullable String errorClass, @Nullable String errorMessage,
			@Nullable String worker) {
	}

	/**
	 * A dead letter with everything.
	 *
	 * @param row what a list shows
	 * @param errorStack where the error was thrown, if there was one
	 * @param headers headers as a JSON object, if it has any
	 * @param payload payload as JSON
	 */
	public record Content(Row row, @Nullable String errorStack, @Nullable String headers, String payload) {
	}

}
