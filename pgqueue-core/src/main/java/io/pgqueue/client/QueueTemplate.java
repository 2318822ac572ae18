package io.pgqueue.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

import javax.sql.DataSource;

import io.pgqueue.Cancellation;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.InvalidMessageException;
import io.pgqueue.Queue;
import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueEventListeners;
import io.pgqueue.QueueOperations;
import io.pgqueue.SendOptions;
import io.pgqueue.SendRejectedException;
import io.pgqueue.SendResult;
import io.pgqueue.client.PayloadWriter.Stored;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.MessageLog;
import io.pgqueue.engine.MessageLog.Timed;
import io.pgqueue.engine.MessageLog.Timing;
import io.pgqueue.engine.Queues;
import io.pgqueue.wakeup.WakeUps;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * Sends messages inside the transactions of the application. Thread-safe; Spring Boot
 * publishes one, other applications build it with {@link #builder(DataSource)}.
 */
public final class QueueTemplate implements QueueOperations {

	private static final Logger logger = LoggerFactory.getLogger(QueueTemplate.class);

	private static final int CHUNK_MESSAGES = 1_000;

	private static final long CHUNK_CHARACTERS = 4_000_000;

	private final Database database;

	private final MessageLog log;

	private final PayloadWriter writer;

	private final SentMessages sent;

	private final Canceller canceller;

	private final OutsideTransaction outsideTransaction;

	private final TransactionTemplate ownTransaction;

	private QueueTemplate(Builder builder) {
		this.database = new Database(builder.dataSource, builder.schema);
		this.log = new MessageLog(this.database);
		this.writer = new PayloadWriter(builder.jsonMapper, builder.maxPayload);
		this.sent = new SentMessages(this.database, builder.wakeUps, QueueEventListeners.of(List.of(builder.events)));
		this.canceller = new Canceller(this.database, this.sent);
		this.outsideTransaction = builder.outsideTransaction;
		this.ownTransaction = new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()));
		// Just after the end of a transaction its connection is still bound, and must not
		// be joined.
		this.ownTransaction.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
	}

	/**
	 * Starts to build a template.
	 * @param dataSource leads to the database; its transactions are the ones to join
	 * @return a builder with the defaults
	 */
	public static Builder builder(DataSource dataSource) {
		return new Builder(dataSource);
	}

	@Override
	public SendResult send(String queue, Object payload) {
		return send(queue, payload, (options) -> {
		});
	}

	@Override
	public SendResult send(String queue, Object payload, Consumer<SendOptions> options) {
		Queue.requireValidName(queue);
		SendOptions given = given(options);
		Timing timing = Timings.of(given);
		Stored message = this.writer.write(payload, given.headers());
		requireTransaction(queue);
		Timed timed = append(queue, List.of(message.payload()), Arrays.asList(message.headers()), timing);
		this.sent.add(queue, 1, dueNanos(timed));
		return new SendResult(timed.ids()[0], queue, true);
	}

	@Override
	public List<SendResult> sendAll(String queue, Iterable<?> payloads) {
		return sendAll(queue, payloads, (options) -> {
		});
	}

	@Override
	public List<SendResult> sendAll(String queue, Iterable<?> payloads, Consumer<SendOptions> options) {
		Queue.requireValidName(queue);
		if (payloads == null) {
			throw new InvalidMessageException("The payloads are null: pass an empty list to send nothing");
		}
		SendOptions given = given(options);
		Timing timing = Timings.of(given);
		requireTransaction(queue);
		Batch batch = new Batch(queue, payloads.iterator(), given.headers(), timing);
		boolean several = batch.fill();
		if (!this.database.inTransaction()) {
			this.ownTransaction.executeWithoutResult((status) -> batch.send());
		}
		else if (several) {
			// A caller that catches what goes wrong in a later chunk, and commits, must
			// not
			// commit the earlier ones.
			this.database.inSavepoint(batch::send);
		}
		else {
			batch.send();
		}
		return batch.results;
	}

	@Override
	public Cancellation cancel(String queue, long id) {
		Queue.requireValidName(queue);
		Cancellation result = this.canceller.cancel(queue, id);
		if (result == null) {
			throw new Queues(this.database).unknown(queue);
		}
		return result;
	}

	private Stored write(@Nullable Object payload, Map<String, @Nullable Object> options, int position) {
		try {
			return this.writer.write(payload, options);
		}
		catch (InvalidMessageException ex) {
			throw new InvalidMessageException("Message " + position + " of the batch: " + ex.getMessage(), ex);
		}
	}

	private Timed append(String queue, List<String> payloads, List<@Nullable String> headers, @Nullable Timing timing) {
		Timed timed = (timing != null) ? this.log.sendTimed(queue, payloads, headers, timing)
				: new Timed(this.log.send(queue, payloads, headers), null);
		if (timed.ids().length == 0) {
			throw new Queues(this.database).unknown(queue);
		}
		return timed;
	}

	private static @Nullable Long dueNanos(Timed timed) {
		return (timed.dueMicros() != null) ? System.nanoTime() + timed.dueMicros() * 1_000 : null;
	}

	private void requireTransaction(String queue) {
		if (this.database.inTransaction()) {
			if (TransactionSynchronizationManager.isCurrentTransactionReadOnly()) {
				throw new SendRejectedException("Cannot send to '" + queue
						+ "' in a read-only transaction: use @Transactional without readOnly, or send in a transaction of its own");
			}
			return;
		}
		switch (this.outsideTransaction) {
			case REJECT -> throw new SendRejectedException("Cannot send to '" + queue
					+ "' outside a transaction of its DataSource: pgqueue.template.outside-transaction is 'reject'");
			case WARN ->
				logger.warn("Sending to '{}' outside a transaction of its DataSource: it commits by itself", queue);
			case ALLOW -> {
			}
		}
	}

	private static SendOptions given(Consumer<SendOptions> options) {
		SendOptions given = new SendOptions();
		options.accept(given);
		return given;
	}

	/**
	 * Sends a stream of payloads in chunks, one statement each.
	 */
	private final class Batch {

		private final String queue;

		private final Iterator<?> payloads;

		private final Map<String, @Nullable Object> options;

		private final @Nullable Timing timing;

		private final SentIds results;

		private final List<String> chunk = new ArrayList<>();

		private final List<@Nullable String> headers = new ArrayList<>();

		Batch(String queue, Iterator<?> payloads, Map<String, @Nullable Object> options, @Nullable Timing timing) {
			this.queue = queue;
			this.payloads = payloads;
			this.options = options;
			this.timing = timing;
			this.results = new SentIds(queue);
		}

		/**
		 * Fills the next chunk and tells whether there is more than that.
		 */
		boolean fill() {
			this.chunk.clear();
			this.headers.clear();
			long characters = 0;
			while (this.payloads.hasNext() && this.chunk.size() < CHUNK_MESSAGES && characters < CHUNK_CHARACTERS) {
				Stored message = write(this.payloads.next(), this.options, this.results.size() + this.chunk.size());
				this.chunk.add(message.payload());
				this.headers.add(message.headers());
				characters += message.size();
			}
			return this.payloads.hasNext();
		}

		void send() {
			Long dueNanos = null;
			while (!this.chunk.isEmpty()) {
				Timed timed = append(this.queue, this.chunk, this.headers, this.timing);
				this.results.append(timed.ids());
				dueNanos = (dueNanos != null) ? dueNanos : dueNanos(timed);
				fill();
			}
			if (!this.results.isEmpty()) {
				QueueTemplate.this.sent.add(this.queue, this.results.size(), dueNanos);
			}
		}

	}

	/**
	 * Builds a {@link QueueTemplate}.
	 */
	public static final class Builder {

		private final DataSource dataSource;

		private String schema = "pgqueue";

		private JsonMapper jsonMapper = JsonMapper.shared();

		private long maxPayload = 1024 * 1024;

		private OutsideTransaction outsideTransaction = OutsideTransaction.ALLOW;

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
		 * Sets what writes payloads.
		 * @param jsonMapper the mapper; Jackson's shared one by default
		 * @return this builder
		 */
		public Builder jsonMapper(JsonMapper jsonMapper) {
			this.jsonMapper = jsonMapper;
			return this;
		}

		/**
		 * Sets the largest payload.
		 * @param bytes bytes of JSON in UTF-8, at most 64 MiB; 1 MiB by default
		 * @return this builder
		 */
		public Builder maxPayload(long bytes) {
			if (bytes < 1 || bytes > PayloadWriter.LARGEST_PAYLOAD) {
				throw new InvalidConfigurationException(
						"max-payload is " + bytes + " bytes, but must be from 1 to " + PayloadWriter.LARGEST_PAYLOAD);
			}
			this.maxPayload = bytes;
			return this;
		}

		/**
		 * Sets what a send does when there is no transaction to join.
		 * @param outsideTransaction what to do; allow by default
		 * @return this builder
		 */
		public Builder outsideTransaction(OutsideTransaction outsideTransaction) {
			this.outsideTransaction = outsideTransaction;
			return this;
		}

		/**
		 * Sets who is woken after a commit.
		 * @param wakeUps shared with the listener containers of this application
		 * @return this builder
		 */
		public Builder wakeUps(WakeUps wakeUps) {
			this.wakeUps = wakeUps;
			return this;
		}

		/**
		 * Sets who is told about what was sent.
		 * @param events the listener; nobody by default
		 * @return this builder
		 */
		public Builder events(QueueEventListener events) {
			this.events = events;
			return this;
		}

		/**
		 * Builds the template.
		 * @return the template
		 */
		public QueueTemplate build() {
			return new QueueTemplate(this);
		}

	}

}
