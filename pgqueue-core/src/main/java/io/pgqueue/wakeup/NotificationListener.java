package io.pgqueue.wakeup;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;

import javax.sql.DataSource;

import io.pgqueue.InvalidConfigurationException;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Listens to what other processes announce, on one connection outside the pool, and never
 * trusts it: a connection that says nothing for a while is asked whether it lives, after
 * each new one everybody looks into their queues once, and only while a notification of
 * our own was seen to arrive may anybody sleep longer than the poll interval. One thread.
 */
public final class NotificationListener {

	private static final Logger logger = LoggerFactory.getLogger(NotificationListener.class);

	/**
	 * Silence after which the connection is asked whether it lives.
	 */
	private static final int SILENCE_MILLIS = 5_000;

	private static final int ANSWER_SECONDS = 2;

	private static final Duration ECHO_LIMIT = Duration.ofSeconds(2);

	/**
	 * Time between two tests while notifications do not arrive.
	 */
	private static final Duration TEST_INTERVAL = Duration.ofMinutes(1);

	/**
	 * Least time between two rounds of signals, whoever sends notifications, and how
	 * many.
	 */
	private static final Duration PACE = Duration.ofMillis(2);

	private static final int MOST_TRIES = 20;

	private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(10);

	private static final String FAILURE = "Notifications cannot be received, so that queues are polled";

	private static final String REFUSED_BY_STANDBY = "25006";

	private static final String STANDBY = "This process is connected to a standby, which is read-only and knows no"
			+ " notifications: set pgqueue.direct.url to the primary, or add targetServerType=primary to the URL";

	private static final Duration STOP_LIMIT = Duration.ofSeconds(2);

	private final DataSource direct;

	private final String channel;

	private final String process;

	private final Consumer<String> echo;

	private final WakeUps wakeUps;

	private final Duration safetyInterval;

	private final WakeUp stop = new WakeUp();

	private volatile @Nullable Thread thread;

	private volatile @Nullable Connection connection;

	private volatile State state = State.STOPPED;

	/**
	 * What the log says last about notifications that arrive.
	 */
	private State reported = State.STOPPED;

	private boolean heardItself;

	/**
	 * Process id of the session of the server that listens; 0 if none does.
	 */
	private int session;

	/**
	 * Creates a listener that is not yet running.
	 * @param direct opens a new connection at each call, past any pool or pooler
	 * @param channel name of the channel
	 * @param process token of this process, whose notifications are for others only
	 * @param echo sends a notification that says nothing but the token it is given, on
	 * the way that all of them take
	 * @param wakeUps who is to be signalled
	 * @param safetyInterval how long they may sleep while notifications arrive
	 * @throws InvalidConfigurationException if the interval is not longer than zero
	 */
	public NotificationListener(DataSource direct, String channel, String process, Consumer<String> echo,
			WakeUps wakeUps, Duration safetyInterval) {
		if (safetyInterval.compareTo(Duration.ZERO) <= 0) {
			throw new InvalidConfigurationException(
					"notify.poll-interval is " + safetyInterval + ", but must be longer than zero");
		}
		this.direct = direct;
		this.channel = channel;
		this.process = process;
		this.echo = echo;
		this.wakeUps = wakeUps;
		this.safetyInterval = safetyInterval;
	}

	/**
	 * Starts to connect.
	 */
	public synchronized void start() {
		if (this.thread == null) {
			this.state = State.CONNECTING;
			Thread started = new Thread(this::run, "pgqueue-notifications");
			started.setDaemon(true);
			this.thread = started;
			started.start();
		}
	}

	/**
	 * Stops, within two seconds.
	 */
	public synchronized void stop() {
		Thread stopping = this.thread;
		this.thread = null;
		if (stopping == null) {
			return;
		}
		this.stop.signal();
		try {
			Connection open = this.connection;
			if (open != null) {
				// Closing it would wait for the thread that waits on it.
				open.abort(Runnable::run);
			}
			stopping.join(STOP_LIMIT.toMillis());
		}
		catch (SQLException ex) {
			logger.debug("The connection for notifications could not be aborted", ex);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		this.state = State.STOPPED;
	}

	/**
	 * Returns how far notifications arrive.
	 * @return the state
	 */
	public State state() {
		return this.state;
	}

	private boolean isRunning() {
		return this.thread == Thread.currentThread();
	}

	private void run() {
		int failures = 0;
		try {
			while (isRunning()) {
				try (Connection open = this.direct.getConnection()) {
					this.connection = open;
					listen(open);
					follow(open);
				}
				catch (SQLException | RuntimeException | Error ex) {
					failures = (this.state == State.ARRIVING) ? 0 : failures + 1;
					lost(ex);
				}
				finally {
					this.connection = null;
				}
				this.stop.await(backoff(failures));
			}
		}
		finally {
			this.wakeUps.setSafetyInterval(Duration.ZERO);
			this.wakeUps.outages().ended(FAILURE);
		}
	}

	private void listen(Connection open) throws SQLException {
		open.setAutoCommit(true);
		open.setNetworkTimeout(Runnable::run, SILENCE_MILLIS);
		try {
			this.session = execute(open, "LISTEN");
		}
		catch (SQLException ex) {
			throw REFUSED_BY_STANDBY.equals(ex.getSQLState()) ? new SQLException(STANDBY, ex.getSQLState(), ex) : ex;
		}
		// What was committed before is found by looking, what comes later is heard.
		this.wakeUps.wakeAll();
	}

	/**
	 * Has nobody listen in vain: a pooler logs each notification that it can give to
	 * nobody. It has many sessions, so that meeting the one that listens may take some
	 * tries, and be given up.
	 */
	private void unlisten(Connection open) throws SQLException {
		for (int i = 0; i < MOST_TRIES && this.session != 0 && isRunning(); i++) {
			if (execute(open, "UNLISTEN") == this.session) {
				this.session = 0;
			}
			else {
				this.stop.await(PACE);
			}
		}
	}

	private int execute(Connection open, String command) throws SQLException {
		try (Statement statement = open.createStatement()) {
			statement.execute("SELECT pg_backend_pid();" + command + " \"" + this.channel.replace("\"", "\"\"") + "\"");
			try (ResultSet session = statement.getResultSet()) {
				session.next();
				return session.getInt(1);
			}
		}
	}

	private void follow(Connection open) throws SQLException {
		long nextTest = System.nanoTime();
		while (isRunning()) {
			this.wakeUps.supervise();
			if (this.state != State.ARRIVING && System.nanoTime() - nextTest >= 0) {
				test(open);
				nextTest = System.nanoTime() + TEST_INTERVAL.toNanos();
			}
			else if (hear(open, SILENCE_MILLIS)) {
				this.stop.await(PACE);
			}
			else if (isRunning() && !open.isValid(ANSWER_SECONDS)) {
				throw new SQLException("The connection does not answer within " + ANSWER_SECONDS + " s");
			}
		}
	}

	/**
	 * Sends a notification to this process.
	 */
	private void test(Connection open) throws SQLException {
		if (this.session == 0) {
			listen(open);
		}
		this.heardItself = false;
		this.echo.accept(this.process);
		long deadline = System.nanoTime() + ECHO_LIMIT.toNanos();
		long left = ECHO_LIMIT.toMillis();
		while (!this.heardItself && left > 0 && isRunning()) {
			hear(open, (int) left);
			left = (deadline - System.nanoTime()) / 1_000_000;
		}
		if (this.heardItself) {
			this.state = State.ARRIVING;
			this.wakeUps.setSafetyInterval(this.safetyInterval);
			if (this.reported != State.ARRIVING) {
				this.reported = State.ARRIVING;
				logger.info("Notifications arrive: idle queues are looked into every {} ms",
						this.safetyInterval.toMillis());
			}
			this.wakeUps.outages().worked(FAILURE);
		}
		else if (isRunning()) {
			unlisten(open);
			this.state = State.SILENT;
			if (this.reported != State.SILENT) {
				this.reported = State.SILENT;
				logger.warn("Notifications do not arrive, so that queues are polled: probably there is a pooler in"
						+ " transaction mode, such as PgBouncer, between this process and the server:"
						+ " set pgqueue.direct.url to an address without it, or pgqueue.notify.enabled=false. If it is"
						+ " set, it may lead to another database than the DataSource");
			}
			this.wakeUps.outages().worked(FAILURE);
		}
	}

	private boolean hear(Connection open, int limitMillis) throws SQLException {
		PGNotification[] heard = open.unwrap(PGConnection.class).getNotifications(limitMillis);
		if (heard == null || heard.length == 0) {
			return false;
		}
		for (PGNotification notification : heard) {
			understand(notification.getParameter());
		}
		return true;
	}

	/**
	 * Anybody who may connect can send anything: what makes no sense is passed over.
	 */
	private void understand(String payload) {
		int slash = payload.indexOf('/');
		if (slash < 0) {
			return;
		}
		if (payload.substring(0, slash).equals(this.process)) {
			this.heardItself = true;
			return;
		}
		for (String item : payload.substring(slash + 1).split(",")) {
			if (item.equals(Sign.SCHEDULED.code())) {
				this.wakeUps.alarm().signal();
			}
			else if (item.equals(Sign.CANCELLED.code())) {
				this.wakeUps.worker().signal();
			}
			else if (item.equals(Sign.EVERYTHING.code())) {
				this.wakeUps.wakeAll();
			}
			else if (!item.isEmpty()) {
				wake(item);
			}
		}
	}

	private void wake(String item) {
		try {
			this.wakeUps.wake(Integer.parseInt(item));
		}
		catch (NumberFormatException ex) {
			logger.debug("A notification is not ours", ex);
		}
	}

	private void lost(Throwable ex) {
		if (!isRunning()) {
			return;
		}
		this.state = State.LOST;
		this.wakeUps.setSafetyInterval(Duration.ZERO);
		// Whoever sleeps for long must look at the pace anew.
		this.wakeUps.wakeAll();
		this.wakeUps.outages().failed(FAILURE, ex);
	}

	private static Duration backoff(int failures) {
		long most = Math.min(200L << Math.min(failures, 6), LONGEST_BACKOFF.toMillis());
		return Duration.ofMillis(ThreadLocalRandom.current().nextLong(most / 2, most));
	}

	/**
	 * How far notifications arrive.
	 */
	public enum State {

		/**
		 * Not running.
		 */
		STOPPED,

		/**
		 * Not connected for the first time yet.
		 */
		CONNECTING,

		/**
		 * A notification of our own has arrived.
		 */
		ARRIVING,

		/**
		 * Connected, but a notification of our own has not arrived.
		 */
		SILENT,

		/**
		 * The connection is lost, or refused.
		 */
		LOST

	}

}
