package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.Map;

import org.jspecify.annotations.Nullable;

/**
 * Puts scheduled messages that are due into the log.
 */
public final class Promotions {

	private final Database database;

	private final String promote;

	/**
	 * Creates an access to the scheduled messages.
	 * @param database the database
	 */
	public Promotions(Database database) {
		this.database = database;
		this.promote = database.function("promote(?, ?)");
	}

	/**
	 * Promotes messages that are due, in a transaction of its own.
	 * @param limit most messages to promote
	 * @param dueFrom what the last promotion returned, or {@link OffsetDateTime#MIN} to
	 * look at everything
	 * @return what was promoted
	 */
	public Promotion promote(int limit, OffsetDateTime dueFrom) {
		return this.database.alone(this.promote, (statement) -> {
			statement.setInt(1, limit);
			statement.setObject(2, dueFrom);
		}, (results) -> {
			Map<String, Long> promoted = new LinkedHashMap<>();
			while (results.next()) {
				String queue = results.getString(1);
				if (queue == null) {
					long due = results.getLong(3);
					Long nextDue = results.wasNull() ? null : due;
					return new Promotion(promoted, nextDue, results.getObject(4, OffsetDateTime.class));
				}
				promoted.put(queue, results.getLong(2));
			}
			throw new IllegalStateException("A promotion returned no last row");
		});
	}

	/**
	 * What was promoted.
	 *
	 * @param queues names of queues that got messages, and how many
	 * @param nextDueMicros microseconds until the next message is due, 0 if more are due
	 * now, {@code null} if none is scheduled
	 * @param dueFrom for the next promotion
	 */
	public record Promotion(Map<String, Long> queues, @Nullable Long nextDueMicros, OffsetDateTime dueFrom) {
	}

}
