package io.pgqueue.listener;

import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;

import javax.sql.DataSource;

import io.pgqueue.Durations;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueEventListeners;
import io.pgqueue.QueueMessage;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Pulls;
import io.pgqueue.engine.Pulls.Pull;
import io.pgqueue.engine.Queues;
import io.pgqueue.wakeup.WakeUps;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.core.ParameterizedTypeReference;
import org.springframework.core.ResolvableType;
import org.springframework.transaction.IllegalTransactionStateException;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Receives messages when the application asks for them: for jobs, tests, HTTP end points,
 * for whatever wants to set its own pace instead of being called by a container. Needs no
 * listener and has no thread. Thread-safe; Spring Boot publishes one, other applications
 * build it with {@link #builder(DataSource)}.
 * <p>
 * A received message is hidden from all other receivers and listeners of the queue for
 * its <em>visibility timeout</em>, by the clock of the database. Whoever received it
 * settles it in that time by its receipt, from any thread or process; otherwise it is
 * given back, and the delivery counts as an attempt. After
 * {@code pgqueue.retry.max-attempts} deliveries, or those of its queue, the next receive
 * makes a dead letter of it. The same becomes of a payload that cannot be read as the
 * type that is asked for, at once; neither is returned.
 * <p>
 * A message that was given back can no longer be settled by its old receipt: that throws
 * {@link io.pgqueue.LeaseLostException} and changes nothing. Until then a receipt counts,
 * even if its time is just over.
 * <p>
 * All methods throw Spring's {@link org.springframework.dao.DataAccessException} when the
 * database cannot be reached. If the answer to a receive was lost with the connection,
 * the messages come again after their visibility timeout.
 */
public final class QueueReceiver {

	private static final int MOST = 10_000;

	private static final Duration SHORTEST = Duration.ofSeconds(1);

	/**
	 * How long messages that are received and deleted are held in between: nobody waits
	 * for it, unless the process dies.
	 */
	private static final Duration WHILE_DELETING = Duration.ofSeconds(30);

	private final Leases leases;

	private final Puller puller;

	private final PullReader reader;

	private final Receipts receipts;

	private QueueReceiver(Builder builder) {
		Database database = new Database(builder.dataSource, builder.schema);
		QueueEventListener events = QueueEventListeners.of(List.of(builder.events));
		Pulls pulls = new Pulls(database);
		this.leases = new Leases(database);
		this.puller = new Puller(pulls, new Queues(database), builder.instance);
		this.reader = new PullReader(builder.jsonMapper, this.leases, events, builder.maxAttempts);
		this.receipts = new Receipts(this.leases, pulls, events, builder.wakeUps);
	}

	/**
	 * Starts to build a receiver.
	 * @param dataSource leads to the database; its transactions are the ones to join
	 * @return a builder with the defaults
	 */
	public static Builder builder(DataSource dataSource) {
		return new Builder(dataSource);
	}

	/**
	 * Receives messages that are there now. Does not wait: an empty queue gives an empty
	 * list at once. Commits by itself even inside a transaction, on a second connection.
	 * @param queue name of a declared queue
	 * @param type type of the payloads
	 * @param max most messages to receive, from 1 to 10,000; fewer come when fewer are
	 * there, or when they exceed 16 MB
	 * @param visibilityTimeout how long they are hidden from others, at least 1 s
	 * @param <T> type of the payloads
	 * @return the messages, oldest first as far as they were not delivered before
	 * @throws io.pgqueue.UnknownQueueException if the queue was never declared
	 */
	public <T> List<ReceivedMessage<T>> receive(String queue, Class<T> type, int max, Duration visibilityTimeout) {
		return receive(queue, ResolvableType.forClass(type), max, visibilityTimeout);
	}

	/**
	 * Receives messages with a payload of a generic type, such as {@code new
	 * ParameterizedTypeReference<List<Order>>() {}}. See
	 * {@link #receive(String, Class, int, Duration)}.
	 * @param queue name of a declared queue
	 * @param type type of the payloads
	 * @param max most messages to receive, from 1 to 10,000
	 * @param visibilityTimeout how long they are hidden from others, at least 1 s
	 * @param <T> type of the payloads
	 * @return the messages; empty if there are none now
	 * @throws io.pgqueue.UnknownQueueException if the queue was never declared
	 */
	public <T> List<ReceivedMessage<T>> receive(String queue, ParameterizedTypeReference<T> type, int max,
			Duration visibilityTimeout) {
		return receive(queue, ResolvableType.forType(type), max, visibilityTimeout);
	}

	/**
	 * Receives messages and deletes them.
	 * <p>
	 * Inside a transaction on the DataSource of the queues they are deleted when that
	 * commits, so that its effects happen exactly once; when it rolls back, they come
	 * again at once, and the delivery counts as an attempt. Receiving itself uses a
	 * second connection, and the isolation level must be READ COMMITTED. Without a
	 * transaction they are deleted before this returns: at most once.
	 * @param queue name of a declared queue
	 * @param type type of the payloads
	 * @param max most messages to receive, from 1 to 10,000
	 * @param <T> type of the payloads
	 * @return the messages; empty if there are none now
	 * @throws io.pgqueue.UnknownQueueException if the queue was never declared
	 * @throws IllegalTransactionStateException if the transaction is read-only
	 * @throws io.pgqueue.LeaseLostException if the transaction cannot delete them because
	 * of its isolation level: they come again, and nothing is counted
	 */
	public <T> List<QueueMessage<T>> receiveAndDelete(String queue, Class<T> type, int max) {
		return receiveAndDelete(queue, ResolvableType.forClass(type), max);
	}

	/**
	 * Receives messages with a payload of a generic type and deletes them. See
	 * {@link #receiveAndDelete(String, Class, int)}.
	 * @param queue name of a declared queue
	 * @param type type of the payloads
	 * @param max most messages to receive, from 1 to 10,000
	 * @param <T> type of the payloads
	 * @return the messages; empty if there are none now
	 * @throws io.pgqueue.UnknownQueueException if the queue was never declared
	 * @throws IllegalTransactionStateException if the transaction is read-only
	 * @throws io.pgqueue.LeaseLostException if the transaction cannot delete them because
	 * of its isolation level: they come again, and nothing is counted
	 */
	public <T> List<QueueMessage<T>> receiveAndDelete(String queue, ParameterizedTypeReference<T> type, int max) {
		return receiveAndDelete(queue, ResolvableType.forType(type), max);
	}

	/**
	 * Acknowledges a message: it is done. Joins the transaction on the DataSource of the
	 * queues, so that the acknowledgement commits or rolls back with it.
	 * @param receipt receipt of the message
	 * @throws io.pgqueue.LeaseLostException if it is no longer held: to be let through a
	 * transaction, so that it rolls back
	 * @throws IllegalArgumentException if this is no receipt
	 */
	public void acknowledge(String receipt) {
		acknowledge(List.of(receipt));
	}

	/**
	 * Acknowledges any number of messages in one statement, as
	 * {@link #acknowledge(String)} does.
	 * @param receipts receipts of the messages
	 * @throws io.pgqueue.LeaseLostException if some are no longer held; outside a
	 * transaction all others are acknowledged nevertheless
	 * @throws IllegalArgumentException if one is no receipt: then none is acknowledged
	 */
	public void acknowledge(Collection<String> receipts) {
		List<Receipt> lost = this.receipts.acknowledge(receipts.stream().map(Receipt::parse).distinct().toList(),
				this.leases::settle);
		if (!lost.isEmpty()) {
			throw Receipts.exception(lost);
		}
	}

	/**
	 * Gives a message back before its time is over. The delivery does not count as an
	 * attempt. Commits by itself, even inside a transaction.
	 * @param receipt receipt of the message
	 * @param delay how long until it may be received again; zero means at once
	 * @throws io.pgqueue.LeaseLostException if it is no longer held
	 * @throws IllegalArgumentException if this is no receipt, or the delay is negative
	 */
	public void release(String receipt, Duration delay) {
		require(!delay.isNegative(), "delay", delay, "zero or longer");
		this.receipts.release(Receipt.parse(receipt), Durations.limited(delay));
	}

	/**
	 * Makes a dead letter of a message. Commits by itself, even inside a transaction.
	 * @param receipt receipt of the message
	 * @param reason why, in a few words
	 * @throws io.pgqueue.LeaseLostException if it is no longer held
	 * @throws IllegalArgumentException if this is no receipt
	 */
	public void reject(String receipt, String reason) {
		this.receipts.reject(Receipt.parse(receipt), reason);
	}

	/**
	 * Sets a new visibility timeout, which replaces what is left of the old one. Commits
	 * by itself, even inside a transaction.
	 * @param receipt receipt of the message, which stays valid
	 * @param time how long from now the message is hidden from others, at least 1 s
	 * @throws io.pgqueue.LeaseLostException if it is no longer held
	 * @throws IllegalArgumentException if this is no receipt, or the time is too short
	 */
	public void extend(String receipt, Duration time) {
		require(time.compareTo(SHORTEST) >= 0, "time", time, "at least 1 s");
		this.receipts.extend(Receipt.parse(receipt), Durations.limited(time));
	}

	private <T> List<ReceivedMessage<T>> receive(String queue, ResolvableType type, int max, Duration timeout) {
		Queue.requireValidName(queue);
		require(max >= 1 && max <= MOST, "max", max, "from 1 to " + MOST);
		require(timeout.compareTo(SHORTEST) >= 0, "visibilityTimeout", timeout, "at least 1 s");
		Pull pull;
		List<ReceivedMessage<T>> read;
		do {
			pull = this.puller.pull(queue, max, Durations.limited(timeout));
			read = this.reader.read(pull, queue, type);
			// All of them became dead letters: behind them may be others.
		}
		while (read.isEmpty() && !pull.messages().isEmpty());
		return read;
	}

	private <T> List<QueueMessage<T>> receiveAndDelete(String queue, ResolvableType type, int max) {
		boolean joined = this.leases.isInTransaction();
		if (joined && TransactionSynchronizationManager.isCurrentTransactionReadOnly()) {
			throw new IllegalTransactionStateException("Cannot delete messages of queue '" + queue
					+ "' in a read-only transaction: use @Transactional without readOnly");
		}
		List<ReceivedMessage<T>> received = receive(queue, type, max, WHILE_DELETING);
		List<Receipt> held = received.stream().map((one) -> Receipt.parse(one.receipt())).toList();
		if (held.isEmpty()) {
			return List.of();
		}
		if (joined) {
			this.receipts.giveBackAfterRollback(held);
		}
		List<Receipt> lost = this.receipts.acknowledge(held, this.leases::settleDurably);
		if (joined && !lost.isEmpty()) {
			this.receipts.giveBack(lost, false);
			throw Receipts.exception(lost);
		}
		Set<String> gone = lost.stream().map(Receipt::text).collect(Collectors.toSet());
		return received.stream().filter((one) -> !gone.contains(one.receipt())).map(ReceivedMessage::message).toList();
	}

	private static void require(boolean condition, String name, Object value, String allowed) {
		if (!condition) {
			throw new IllegalArgumentException(name + " is " + value + ", but must be " + allowed);
		}
	}

	/**
	 * Builds a {@link QueueReceiver}.
	 */
	public static final class Builder {

		private final DataSource dataSource;

		private String schema = "pgqueue";

		private String instance = "receiver";

		private JsonMapper jsonMapper = JsonMapper.shared();

		private ToIntFunction<String> maxAttempts = (queue) -> RetryPolicy.DEFAULT.maxAttempts();

		private WakeUps wakeUps = new WakeUps();

		private QueueEventListener events = QueueEventListener.NONE;

		private Builder(DataSource dataSource) {
			this.dataSource = dataSource;
		}

		/**
		 * Sets the schema of the queues.
		 * @param schema name of the schema, unquoted; {@code pgqueue} by default
		 * @return this builder
		 */
		public Builder schema(String schema) {
			this.schema = schema;
			return this;
		}

		/**
		 * Sets the name of this process, for people who look into the database.
		 * @param instance any name; {@code receiver} by default
		 * @return this builder
		 */
		public Builder instance(String instance) {
			this.instance = instance;
			return this;
		}

		/**
		 * Sets what reads payloads.
		 * @param jsonMapper the mapper; Jackson's shared one by default
		 * @return this builder
		 */
		public Builder jsonMapper(JsonMapper jsonMapper) {
			this.jsonMapper = jsonMapper;
			return this;
		}

		/**
		 * Sets how often a message is delivered before it becomes a dead letter.
		 * @param maxAttempts deliveries, at least 1; 5 by default
		 * @return this builder
		 */
		public Builder maxAttempts(int maxAttempts) {
			if (maxAttempts < 1) {
				throw new InvalidConfigurationException("maxAttempts is " + maxAttempts + ", but must be at least 1");
			}
			return maxAttempts((queue) -> maxAttempts);
		}

		/**
		 * Sets how often a message is delivered before it becomes a dead letter, for each
		 * queue.
		 * @param maxAttempts returns the deliveries for the name of a queue, at least 1
		 * @return this builder
		 */
		public Builder maxAttempts(ToIntFunction<String> maxAttempts) {
			this.maxAttempts = maxAttempts;
			return this;
		}

		/**
		 * Sets who is woken when a message is given back.
		 * @param wakeUps shared with the listener containers of this application
		 * @return this builder
		 */
		public Builder wakeUps(WakeUps wakeUps) {
			this.wakeUps = wakeUps;
			return this;
		}

		/**
		 * Sets who is told what becomes of received messages.
		 * @param events the listener; nobody by default
		 * @return this builder
		 */
		public Builder events(QueueEventListener events) {
			this.events = events;
			return this;
		}

		/**
		 * Builds the receiver.
		 * @return the receiver
		 */
		public QueueReceiver build() {
			return new QueueReceiver(this);
		}

	}

}
