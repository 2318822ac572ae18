package io.pgqueue.engine;

import java.util.ArrayList;
import java.util.List;

import io.pgqueue.NearestName;
import io.pgqueue.UnknownQueueException;

/**
 * Declares and finds queues.
 */
public final class Queues {

	private final Database database;

	private final String declare;

	private final String names;

	/**
	 * Creates an access to the queues.
	 * @param database the database
	 */
	public Queues(Database database) {
		this.database = database;
		this.declare = database.function("declare_queue(?)");
		this.names = database.function("queue_names()");
	}

	/**
	 * Creates a queue with its default subscription unless it exists.
	 * @param name name of the queue
	 * @return the queue
	 */
	public DeclaredQueue declare(String name) {
		return this.database.joined(this.declare, (statement) -> statement.setString(1, name), (results) -> {
			results.next();
			return new DeclaredQueue(name, results.getInt(1), results.getInt(2), results.getBoolean(3));
		});
	}

	/**
	 * Lists the queues.
	 * @return their names, sorted
	 */
	public List<String> names() {
		return this.database.joined(this.names, (statement) -> {
		}, (results) -> {
			List<String> found = new ArrayList<>();
			while (results.next()) {
				found.add(results.getString(1));
			}
			return found;
		});
	}

	/**
	 * Makes the exception for a queue that does not exist.
	 * @param name the name that was used
	 * @return an exception that names the nearest match
	 */
	public UnknownQueueException unknown(String name) {
		List<String> nearest = NearestName.of(name, names());
		return new UnknownQueueException("Queue '" + name + "' does not exist"
				+ (nearest.isEmpty() ? ". " : "; did you mean '" + nearest.get(0) + "'? ")
				+ "Declare it with a @QueueListener, a Queue bean or pgqueue.queues." + name);
	}

	/**
	 * A queue and its default subscription as the engine knows them.
	 *
	 * @param name name of the queue
	 * @param queueId number of the queue
	 * @param subscriptionId number of the default subscription
	 * @param created whether this call created it
	 */
	public record DeclaredQueue(String name, int queueId, int subscriptionId, boolean created) {
	}

}
