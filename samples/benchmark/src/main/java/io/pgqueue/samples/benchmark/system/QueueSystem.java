package io.pgqueue.samples.benchmark.system;

import java.sql.SQLException;
import java.util.List;

import io.pgqueue.samples.benchmark.measure.Samples;
import org.jspecify.annotations.Nullable;

/**
 * A system that is compared: opened on an empty database for one workload, then closed.
 */
public interface QueueSystem extends AutoCloseable {

	/**
	 * Returns the name for options and tables.
	 * @return a short name
	 */
	String name();

	/**
	 * Returns what a reader must know to judge the figures.
	 * @return version, threads, batches, polling
	 */
	String tuning();

	/**
	 * Returns how many messages this system gets, so that slow ones do not take all day.
	 * @return a share of what the fast ones get
	 */
	double share();

	/**
	 * Tells why a workload makes no sense here.
	 * @param mode what the workload wants
	 * @return the reason, or null if it makes sense
	 */
	default @Nullable String unsupported(Mode mode) {
		return null;
	}

	/**
	 * Connects and creates what is missing in the database.
	 * @param url the JDBC URL with user and password
	 * @param mode what the workload wants
	 * @throws SQLException if that fails
	 */
	void open(String url, Mode mode) throws SQLException;

	/**
	 * Sends one message in a transaction of its own, to which {@link Mode#SENDERS} adds
	 * an insert. Called by many threads.
	 * @param message the message
	 * @throws SQLException if that fails
	 */
	void send(BenchmarkMessage message) throws SQLException;

	/**
	 * Sends messages in one transaction. Called by many threads.
	 * @param messages the messages
	 * @throws SQLException if that fails
	 */
	void sendAll(List<BenchmarkMessage> messages) throws SQLException;

	/**
	 * Begins to handle messages. May be called again after it was ended.
	 * @param handler what to do with them
	 * @return ends it
	 * @throws SQLException if that fails
	 */
	Consumption consume(Handler handler) throws SQLException;

	/**
	 * Returns how long claims took that found something.
	 * @return their round trips; none if they cannot be seen from outside
	 */
	default Samples claims() {
		return new Samples();
	}

	@Override
	void close() throws SQLException;

	/**
	 * Messages are being handled.
	 */
	interface Consumption extends AutoCloseable {

		/**
		 * Handles no more.
		 */
		@Override
		void close();

	}

}
