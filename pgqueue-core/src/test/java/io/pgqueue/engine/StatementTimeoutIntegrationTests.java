package io.pgqueue.engine;

import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

import io.pgqueue.admin.DeadLetterFilter;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.engine.DeadLetters.Death;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Promotions.Promotion;
import io.pgqueue.engine.Pulls.Marks;
import io.pgqueue.engine.Pulls.Pull;
import io.pgqueue.engine.Pulls.PullRequest;
import io.pgqueue.engine.Workers.Expired;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.dao.QueryTimeoutException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * A server that cancels every statement after 200 ms, on disks so slow that a hundred
 * messages cannot be moved within that time. What is to be moved is more.
 */
@PgQueueDatabase
class StatementTimeoutIntegrationTests {

	private static final int MESSAGES = 250;

	private final TestDatabase database;

	private final TestEngine engine;

	private final Workers workers;

	StatementTimeoutIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.workers = this.engine.workers();
		fast();
	}

	@BeforeAll
	static void limit(TestDatabase database) {
		database.migrate();
		try (Session session = new Session(database.directDataSource())) {
			session.execute("ALTER DATABASE " + database.name() + " SET statement_timeout = '200ms'");
			session.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$"
					+ " BEGIN PERFORM pg_sleep(0.002); RETURN coalesce(NEW, OLD); END $$");
			session.execute("CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON pgqueue.retry FOR EACH ROW"
					+ " EXECUTE FUNCTION slow()");
			session.execute("CREATE TRIGGER slow BEFORE DELETE ON pgqueue.dead_letter FOR EACH ROW"
					+ " EXECUTE FUNCTION slow()");
			session.execute(
					"CREATE TRIGGER slow BEFORE DELETE ON pgqueue.scheduled FOR EACH ROW" + " EXECUTE FUNCTION slow()");
		}
	}

	@AfterEach
	void close() {
		this.workers.close();
		fast();
	}

	@Test
	void theMessagesOfADeadWorkerAreRecovered() {
		claimInLeasesOf(50);
		this.engine.declareDead(this.engine.worker);
		slow();
		assertThat(recoverAll()).isEqualTo(MESSAGES);
		assertThat(this.engine.retried()).hasSize(MESSAGES);
	}

	@Test
	void oneLeaseOfADeadWorkerThatIsTooMuchForAStatementIsRecoveredInParts() {
		claimInLeasesOf(MESSAGES);
		this.engine.declareDead(this.engine.worker);
		slow();
		assertThat(recoverAll()).isEqualTo(MESSAGES);
		assertThat(this.engine.retried()).hasSize(MESSAGES);
	}

	@Test
	void twentyThousandMessagesOfADeadWorkerAreRecovered() {
		for (int i = 0; i < 40; i++) {
			this.engine.send(500);
			this.engine.claim(500);
		}
		this.engine.declareDead(this.engine.worker);
		assertThat(recoverAll()).isEqualTo(20_000);
		assertThat(this.engine.retried()).hasSize(20_000);
	}

	@Test
	void whatIsHeldByTheBooksOnlyIsHandedBack() {
		claimInLeasesOf(50);
		slow();
		assertThat(this.workers.reconcile(this.engine.worker, 1, this.engine.lastLease(), new long[] { 2 }))
			.isEqualTo(MESSAGES - 50);
		assertThat(this.engine.leased(this.engine.worker, 2)).hasSize(50);
		assertThat(this.engine.retried()).hasSize(MESSAGES - 50);
	}

	@Test
	void overdueMessagesAreGivenBackByReceiversAndByWorkers() {
		Pulls pulls = new Pulls(this.engine.database);
		long receiver = pulls.register("test");
		this.engine.send(MESSAGES);
		Pull pull = pulls
			.receive(new PullRequest(receiver, 1, this.engine.queue.name(), MESSAGES, TestEngine.BYTES, 1, Marks.NONE))
			.orElseThrow();
		assertThat(pull.messages()).hasSize(MESSAGES);
		slow();
		int first = pulls.returnOverdue(this.engine.queue.name(), OffsetDateTime.MIN);
		assertThat(first).isBetween(1, MESSAGES - 1);
		int total = first;
		for (int some = first; some > 0;) {
			some = this.workers.returnOverdue(OffsetDateTime.MIN).messages();
			total += some;
		}
		assertThat(total).isEqualTo(MESSAGES);
		assertThat(this.engine.retried()).hasSize(MESSAGES);
	}

	@Test
	void deadLettersAreRedrivenInParts() {
		bury();
		slow();
		QueueAdmin admin = new QueueAdmin(this.database.dataSource(), TestDatabase.SCHEMA);
		assertThat(admin.redrive(DeadLetterFilter.ofQueue(this.engine.queue.name()), 1_000)).isEqualTo(MESSAGES);
		fast();
		assertThat(this.engine.retried()).hasSize(MESSAGES);
		assertThat(this.database.jdbc()
			.sql("SELECT max(due_at) < clock_timestamp() + interval '1 s' FROM pgqueue.retry WHERE subscription_id = ?")
			.param(this.engine.queue.subscriptionId())
			.query(Boolean.class)
			.single()).as("what was cancelled does not count for the rate").isTrue();
	}

	@Test
	void oldDeadLettersAreDeletedInParts() {
		bury();
		slow();
		int total = 0;
		Expired expired = null;
		do {
			expired = this.workers.expireDeadLetters(expired, Duration.ZERO);
			total += expired.deleted();
		}
		while (expired.more());
		assertThat(total).isGreaterThanOrEqualTo(MESSAGES);
		assertThat(this.engine.count("dead_letter WHERE subscription_id = " + this.engine.queue.subscriptionId()))
			.isZero();
	}

	@Test
	void aCancelledStatementSaysSo() {
		slow();
		DeadLetters letters = new DeadLetters(this.engine.database);
		bury();
		List<Death> deaths = letters.batch(this.engine.queue.subscriptionId(), null, new Death(Instant.MIN, 0),
				Instant.MAX, MESSAGES);
		assertThatExceptionOfType(QueryTimeoutException.class)
			.isThrownBy(() -> letters.discard(this.engine.queue.subscriptionId(), deaths))
			.withMessageContaining("statement timeout");
		assertThat(this.engine.count("dead_letter WHERE subscription_id = " + this.engine.queue.subscriptionId()))
			.isEqualTo(MESSAGES);
	}

	@Test
	void portionsHalveWhenCancelledAndGrowAgain() {
		Portion portion = new Portion(20);
		List<Integer> tried = new ArrayList<>();
		for (int i = 0; i < 20; i++) {
			int limit = (i < 6) ? 3 : 100;
			portion.run(20, (size) -> {
				tried.add(size);
				if (size > limit) {
					throw new QueryTimeoutException("pretended");
				}
				return size;
			});
		}
		assertThat(tried).startsWith(20, 10, 5, 2, 3, 4, 2).endsWith(20);
		assertThat(portion.<Integer>run(7, (size) -> size)).isEqualTo(7);
		assertThatExceptionOfType(QueryTimeoutException.class).isThrownBy(() -> portion.run(20, (size) -> {
			throw new QueryTimeoutException("pretended");
		}));
	}

	@Test
	void scheduledMessagesArePromotedInParts() {
		this.database.jdbc()
			.sql("INSERT INTO pgqueue.scheduled (id, queue_id, lane, due_at, enqueued_at, size, payload)"
					+ " SELECT 1000000 + i, ?, 0, clock_timestamp(), clock_timestamp(), 2, '{}' FROM generate_series(1, ?) i")
			.params(this.engine.queue.queueId(), MESSAGES)
			.update();
		slow();
		Promotions promotions = new Promotions(this.engine.database);
		assertThatExceptionOfType(QueryTimeoutException.class)
			.isThrownBy(() -> promotions.promote(MESSAGES, OffsetDateTime.MIN));
		Portion portion = new Portion(MESSAGES);
		long total = 0;
		while (total < MESSAGES) {
			Promotion promotion = portion.run(MESSAGES, (most) -> promotions.promote(most, OffsetDateTime.MIN));
			assertThat(promotion.queues()).containsOnlyKeys(this.engine.queue.name());
			total += promotion.queues().get(this.engine.queue.name());
		}
		assertThat(this.engine.drain()).hasSize(MESSAGES);
	}

	private void claimInLeasesOf(int size) {
		this.engine.send(MESSAGES);
		for (int i = 0; i < MESSAGES / size; i++) {
			assertThat(this.engine.claim(size).messages()).hasSize(size);
		}
	}

	private int recoverAll() {
		int total = 0;
		int some;
		do {
			some = this.workers.recover(this.engine.worker);
			total += some;
		}
		while (some > 0);
		return total;
	}

	private void bury() {
		long[] ids = this.engine.send(MESSAGES);
		this.engine.claim(MESSAGES);
		List<Failure> failures = LongStream.of(ids)
			.mapToObj((id) -> TestEngine.failure(this.engine.lastLease(), id, 0, true))
			.toList();
		assertThat(this.engine.leases.bury(this.engine.worker, failures)).isEmpty();
	}

	private void slow() {
		trigger("ENABLE");
	}

	private void fast() {
		trigger("DISABLE");
	}

	private void trigger(String action) {
		for (String table : List.of("retry", "dead_letter", "scheduled")) {
			this.database.jdbc().sql("ALTER TABLE pgqueue." + table + " " + action + " TRIGGER slow").update();
		}
	}

}
