package io.pgqueue.engine;

import java.util.Arrays;
import java.util.List;

import org.jspecify.annotations.Nullable;

/**
 * Appends messages to the log.
 */
public final class MessageLog {

	private final Database database;

	private final String send;

	/**
	 * Creates an access to the log.
	 * @param database the database
	 */
	public MessageLog(Database database) {
		this.database = database;
		this.send = database.function("send_batch(?, ?, ?)");
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
		return this.database.joined(this.send, (statement) -> {
			statement.setString(1, queue);
			statement.setArray(2, statement.getConnection().createArrayOf("text", payloads.toArray(String[]::new)));
			statement.setArray(3, statement.getConnection().createArrayOf("text", headers.toArray(String[]::new)));
		}, (results) -> {
			long[] ids = new long[payloads.size()];
			int count = 0;
			while (results.next()) {
				ids[count++] = results.getLong(1);
			}
			return (count == ids.length) ? ids : Arrays.copyOf(ids, count);
		});
	}

}
