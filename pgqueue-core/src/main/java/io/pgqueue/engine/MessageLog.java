package io.pgqueue.engine;

import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.Arrays;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * Appends messages to the log.
 */
public final class MessageLog {

	private final Database database;

	private final String send;

	private final String sendTimed;

	/**
	 * Creates an access to the log.
	 * @param database the database
	 */
	public MessageLog(Database database) {
		this.database = database;
		this.send = database.function("send_batch(?, ?, ?)");
		this.sendTimed = database.function("send_timed(?, ?, ?, ?, ?, ?)");
	}

	/**
	 * Appends messages in the transaction that Spring has bound, or else in one of their
	 * own.
	 * @param queue name of the queue
	 * @param payloads payloads as JSON
	 * @param headers headers as a JSON object each, {@code null} for none
	 * @return the identities in the order of the payloads; empty if the queue does not
	 * exist
	 */
	public long[] send(String queue, List<String> payloads, List<@Nullable String> headers) {
		return this.database.joined(this.send, (statement) -> set(statement, queue, payloads, headers), (results) -> {
			long[] ids = new long[payloads.size()];
			int count = 0;
			while (results.next()) {
				ids[count++] = results.getLong(1);
			}
			return (count == ids.length) ? ids : Arrays.copyOf(ids, count);
		});
	}

	/**
	 * Sends messages that are not to be handled yet, or not for ever, in the transaction
	 * that Spring has bound, or else in one of their own.
	 * @param queue name of the queue
	 * @param payloads payloads as JSON
	 * @param headers headers as a JSON object each, {@code null} for none
	 * @param timing when they are due and how long they live
	 * @return the identities in the order of the payloads, none if the queue does not
	 * exist
	 */
	public Timed sendTimed(String queue, List<String> payloads, List<@Nullable String> headers, Timing timing) {
		return this.database.joined(this.sendTimed, (statement) -> {
			set(statement, queue, payloads, headers);
			statement.setObject(4, timing.dueAt(), Types.TIMESTAMP_WITH_TIMEZONE);
			statement.setObject(5, timing.delayMicros(), Types.BIGINT);
			statement.setObject(6, timing.timeToLiveMicros(), Types.BIGINT);
		}, (results) -> {
			long[] ids = new long[payloads.size()];
			Long dueMicros = null;
			int count = 0;
			while (results.next()) {
				ids[count++] = results.getLong(1);
				long due = results.getLong(2);
				dueMicros = results.wasNull() ? null : due;
			}
			return new Timed(Arrays.copyOf(ids, count), dueMicros);
		});
	}

	private static void set(PreparedStatement statement, String queue, List<String> payloads,
			List<@Nullable String> headers) throws SQLException {
		statement.setString(1, queue);
		statement.setArray(2, statement.getConnection().createArrayOf("text", payloads.toArray(String[]::new)));
		statement.setArray(3, statement.getConnection().createArrayOf("text", headers.toArray(String[]::new)));
	}

	/**
	 * When messages are due and how long they live.
	 *
	 * @param dueAt when they are due, {@code null} for after the delay
	 * @param delayMicros microseconds until they are due, {@code null} for at once
	 * @param timeToLiveMicros microseconds until they expire, {@code null} for never
	 */
	public record Timing(@Nullable OffsetDateTime dueAt, @Nullable Long delayMicros, @Nullable Long timeToLiveMicros) {
	}

	/**
	 * What was sent.
	 *
	 * @param ids the identities
	 * @param dueMicros microseconds until the messages are due, {@code null} if they are
	 * already
	 */
	public record Timed(long[] ids, @Nullable Long dueMicros) {
	}

}
