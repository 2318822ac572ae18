package io.pgqueue.admin;

import java.util.List;

import javax.sql.DataSource;

import io.pgqueue.Queue;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.DeadLetters;
import io.pgqueue.engine.Queues;
import io.pgqueue.engine.Queues.DeclaredQueue;

/**
 * Looks into queues. Applications and operators' tools inject it; thread-safe.
 */
public final class QueueAdmin {

	private final Queues queues;

	private final DeadLetters deadLetters;

	/**
	 * Creates an admin.
	 * @param dataSource leads to the database
	 * @param schema name of the schema, unquoted
	 */
	public QueueAdmin(DataSource dataSource, String schema) {
		Database database = new Database(dataSource, schema);
		this.queues = new Queues(database);
		this.deadLetters = new DeadLetters(database);
	}

	/**
	 * Lists the queues.
	 * @return their names, sorted
	 */
	public List<String> queues() {
		return this.queues.names();
	}

	/**
	 * Creates a queue unless it exists. Joins the caller's transaction.
	 * @param queue the queue
	 * @return whether it was created
	 */
	public boolean declare(Queue queue) {
		DeclaredQueue declared = this.queues.declare(queue.name());
		return declared.created();
	}

	/**
	 * Lists the newest dead letters of a queue, without payloads.
	 * @param queue name of the queue
	 * @param limit most to list, from 1 to 10,000
	 * @return the dead letters, newest first; empty if the queue does not exist
	 */
	public List<DeadLetter> deadLetters(String queue, int limit) {
		Queue.requireValidName(queue);
		if (limit < 1 || limit > 10_000) {
			throw new IllegalArgumentException("limit is " + limit + ", but must be from 1 to 10000");
		}
		return this.deadLetters.list(queue, limit)
			.stream()
			.map((row) -> new DeadLetter(row.id(), queue, row.subscription(), row.errorClass(), row.errorMessage(),
					row.attempts(), row.enqueuedAt(), row.deadAt()))
			.toList();
	}

}
