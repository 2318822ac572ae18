package io.pgqueue.engine;

import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;

import javax.sql.DataSource;

import io.pgqueue.engine.DeadLetters.Death;
import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.ClaimRequest;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.engine.Workers.Holder;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.core.simple.JdbcClient;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The engine with a queue and a worker of its own.
 */
final class TestEngine {

	static final long BYTES = 16L * 1024 * 1024;

	private static final AtomicInteger counter = new AtomicInteger();

	final TestDatabase testDatabase;

	final String schema;

	final Database database;

	final MessageLog log;

	final Leases leases;

	final DeclaredQueue queue;

	final long worker;

	private final AtomicLong lease = new AtomicLong();

	private OffsetDateTime dueFrom = OffsetDateTime.MIN;

	private TestEngine(TestDatabase testDatabase, String schema, DataSource dataSource) {
		this.testDatabase = testDatabase;
		this.schema = schema;
		this.database = new Database(dataSource, schema);
		this.log = new MessageLog(this.database);
		this.leases = new Leases(this.database);
		this.queue = new Queues(this.database).declare("queue-" + counter.incrementAndGet());
		this.worker = registerWorker();
	}

	/**
	 * The engine as it is, with a new queue and a new worker.
	 */
	static TestEngine of(TestDatabase database) {
		return of(database, database.dataSource());
	}

	static TestEngine of(TestDatabase database, DataSource dataSource) {
		if (!database.jdbc().sql("SELECT to_regnamespace('pgqueue') IS NOT NULL").query(Boolean.class).single()) {
			database.migrate();
		}
		return new TestEngine(database, TestDatabase.SCHEMA, dataSource);
	}

	/**
	 * The engine in another schema.
	 */
	static TestEngine in(TestDatabase database, String schema) {
		database.migrate(schema);
		return new TestEngine(database, schema, database.dataSource());
	}

	/**
	 * The engine with a mistake, in a schema of its own: the test that uses it shows that
	 * its sibling would notice.
	 */
	static TestEngine changed(TestDatabase database, String function, UnaryOperator<String> mistake) {
		String schema = "changed " + counter.incrementAndGet();
		database.migrate(schema);
		replace(database, schema, function, mistake);
		return new TestEngine(database, schema, database.dataSource());
	}

	static UnaryOperator<String> replacing(String right, String wrong) {
		return (definition) -> {
			assertThat(definition).as("what the mistake replaces").contains(right);
			return definition.replace(right, wrong);
		};
	}

	static void replace(TestDatabase database, String schema, String function, UnaryOperator<String> mistake) {
		String definition = database.jdbc()
			.sql("SELECT pg_get_functiondef(p.oid) FROM pg_proc p WHERE p.proname = ? AND p.pronamespace = ?::regnamespace")
			.params(function, Database.quote(schema))
			.query(String.class)
			.single();
		try (Session session = new Session(database.directDataSource())) {
			session.execute(mistake.apply(definition));
		}
	}

	JdbcClient jdbc() {
		return this.testDatabase.jdbc();
	}

	/**
	 * Puts the name of the schema in place of a dollar sign.
	 */
	String sql(String sql) {
		return sql.replace("$", Database.quote(this.schema));
	}

	long count(String table) {
		return jdbc().sql(sql("SELECT count(*) FROM $." + table)).query(Long.class).single();
	}

	long registerWorker() {
		try (Workers workers = workers()) {
			return workers.register("test");
		}
	}

	Workers workers() {
		return new Workers(this.testDatabase.directDataSource(), this.schema, Duration.ofMinutes(1));
	}

	/**
	 * The other workers that hold messages, as a worker sees them.
	 */
	static List<Holder> holders(Workers workers, long worker) {
		return workers.lookAround(worker, Map.of(), OffsetDateTime.MIN).holders();
	}

	void declareDead(long dead) {
		jdbc().sql(sql("UPDATE $.worker SET dead_at = clock_timestamp() WHERE id = ?")).param(dead).update();
	}

	long send() {
		return send(1)[0];
	}

	long[] send(int count) {
		return this.log.send(this.queue.name(), Collections.nCopies(count, "{}"), Collections.nCopies(count, null));
	}

	/**
	 * Sends in the transaction of a session.
	 */
	long send(Session session) {
		return session.jdbc()
			.sql(sql("SELECT * FROM $.send_batch(?, ARRAY['{}'], ARRAY[NULL])"))
			.param(this.queue.name())
			.query(Long.class)
			.single();
	}

	/**
	 * Sends many at once without transferring them.
	 */
	void sendMany(Session session, int count) {
		session.jdbc()
			.sql(sql(
					"SELECT count(*) FROM $.send_batch(?, array_fill('{\"a\": 1}'::text, ARRAY[?]), array_fill(NULL::text, ARRAY[?]))"))
			.params(this.queue.name(), count, count)
			.query(Long.class)
			.single();
	}

	ClaimRequest request(long claimer, int limit, long bytes, OffsetDateTime from) {
		return new ClaimRequest(claimer, this.lease.incrementAndGet(), this.queue.queueId(),
				this.queue.subscriptionId(), limit, bytes, from, false, false);
	}

	Claim claim(int limit) {
		return claim(this.worker, limit);
	}

	Claim claim(long claimer, int limit) {
		return this.leases.claim(request(claimer, limit, BYTES, OffsetDateTime.MIN));
	}

	/**
	 * Claims with the low-water mark that the last such claim returned, as a container
	 * does.
	 */
	Claim claimFromMark(int limit, long bytes) {
		Claim claim = this.leases.claim(request(this.worker, limit, bytes, this.dueFrom));
		this.dueFrom = claim.dueFrom();
		return claim;
	}

	Claim claimAs(int subscription, int limit) {
		return this.leases.claim(new ClaimRequest(this.worker, this.lease.incrementAndGet(), this.queue.queueId(),
				subscription, limit, BYTES, OffsetDateTime.MIN, false, false));
	}

	/**
	 * The number of the last claim.
	 */
	long lastLease() {
		return this.lease.get();
	}

	/**
	 * Makes the next claim have an odd or an even number.
	 */
	void nextLeaseIs(boolean odd) {
		if ((this.lease.get() + 1) % 2 != (odd ? 1 : 0)) {
			this.lease.incrementAndGet();
		}
	}

	/**
	 * Claims until nothing comes any more and returns the identities in their order.
	 */
	List<Long> drain() {
		return drain(100);
	}

	List<Long> drain(int limit) {
		List<Long> found = new ArrayList<>();
		List<Long> some = ids(claim(limit));
		while (!some.isEmpty()) {
			found.addAll(some);
			some = ids(claim(limit));
		}
		return found;
	}

	static List<Long> ids(Claim claim) {
		return claim.messages().stream().map(ClaimedMessage::id).toList();
	}

	static List<Long> list(long... ids) {
		return Arrays.stream(ids).boxed().toList();
	}

	static Failure failure(long lease, long id, long delayMillis, boolean counted) {
		return new Failure(new Held(lease, id), delayMillis, counted, "given up", "java.lang.IllegalStateException",
				"it failed", null);
	}

	static Failure handBack(long lease, long id) {
		return new Failure(new Held(lease, id), 0, false, null, null, null, null);
	}

	/**
	 * What stands in a lease.
	 */
	List<Long> leased(long claimer, long number) {
		return jdbc().sql(sql("SELECT unnest(ids) AS id FROM $.lease WHERE worker_id = ? AND n = ? ORDER BY id"))
			.params(claimer, number)
			.query(Long.class)
			.list();
	}

	/**
	 * What stands in retry for the queue.
	 */
	List<Long> retried() {
		return jdbc().sql(sql("SELECT id FROM $.retry WHERE subscription_id = ? ORDER BY id"))
			.param(this.queue.subscriptionId())
			.query(Long.class)
			.list();
	}

	/**
	 * The dead letters of the queue, newest first.
	 */
	List<DeadLetters.Row> deadLetters(int limit) {
		return new DeadLetters(this.database).list(new int[] { this.queue.subscriptionId() }, null, Instant.MIN,
				new Death(Instant.MAX, 0), limit);
	}

	static @Nullable String sqlState(Throwable thrown) {
		for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
			if (cause instanceof SQLException sqlException) {
				return sqlException.getSQLState();
			}
		}
		return null;
	}

}
