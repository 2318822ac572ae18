package io.pgqueue.engine;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * Reads dead letters.
 */
public final class DeadLetters {

	private final Database database;

	private final String list;

	/**
	 * Creates an access to the dead letters.
	 * @param database the database
	 */
	public DeadLetters(Database database) {
		this.database = database;
		this.list = database.function("dead_letters(?, ?)");
	}

	/**
	 * Lists the newest dead letters of a queue.
	 * @param queue name of the queue
	 * @param limit most to list
	 * @return the dead letters, newest first
	 */
	public List<Row> list(String queue, int limit) {
		return this.database.joined(this.list, (statement) -> {
			statement.setString(1, queue);
			statement.setInt(2, limit);
		}, (results) -> {
			List<Row> rows = new ArrayList<>();
			while (results.next()) {
				rows.add(new Row(results.getLong(1), results.getString(2), results.getString(3), results.getString(4),
						results.getInt(5), results.getObject(6, OffsetDateTime.class).toInstant(),
						results.getObject(7, OffsetDateTime.class).toInstant()));
			}
			return rows;
		});
	}

	/**
	 * A dead letter without its payload.
	 *
	 * @param id identity of the message
	 * @param subscription name of the subscription that gave it up
	 * @param errorClass what was thrown last, if anything
	 * @param errorMessage what it said, if anything
	 * @param attempts how often it was delivered
	 * @param enqueuedAt when it was sent
	 * @param deadAt when it was given up
	 */
	public record Row(long id, String subscription, @Nullable String errorClass, @Nullable String errorMessage,
			int attempts, Instant enqueuedAt, Instant deadAt) {
	}

}
