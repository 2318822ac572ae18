package io.pgqueue.engine;

import java.util.Set;

/**
 * Sends notifications to the other processes that use the schema. The channel bears the
 * name of the schema; a notification says which process sent it, and the numbers of
 * queues, or other signs.
 */
public final class Notifications {

	private final Database database;

	private final String announce;

	/**
	 * Creates an access to notifications.
	 * @param database the database
	 */
	public Notifications(Database database) {
		this.database = database;
		this.announce = database.function("announce(?, ?, ?)");
	}

	/**
	 * Sends a notification, in a transaction of its own.
	 * @param process token of the process that sends it
	 * @param queues names of queues that hold something new, a few hundred at most; those
	 * that do not exist are left out
	 * @param signs further signs
	 */
	public void announce(String process, Set<String> queues, Set<String> signs) {
		this.database.alone(this.announce, (statement) -> {
			statement.setString(1, process);
			statement.setArray(2, statement.getConnection().createArrayOf("text", queues.toArray()));
			statement.setArray(3, statement.getConnection().createArrayOf("text", signs.toArray()));
		}, (results) -> true);
	}

}
