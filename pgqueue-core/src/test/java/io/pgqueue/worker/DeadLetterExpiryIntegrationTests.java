package io.pgqueue.worker;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.WakeUps;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class DeadLetterExpiryIntegrationTests {

	private final TestDatabase database;

	private final List<QueueWorker> workers = new ArrayList<>();

	DeadLetterExpiryIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		QueueAdmin admin = new QueueAdmin(database.dataSource(), TestDatabase.SCHEMA);
		List.of("a", "b", "c").forEach((name) -> admin.declare(new Queue(name)));
	}

	@BeforeEach
	void empty() {
		this.database.jdbc().sql("DELETE FROM pgqueue.dead_letter").update();
	}

	@AfterEach
	void stop() {
		this.workers.forEach(QueueWorker::stop);
	}

	@Test
	void whatIsOlderThanTheRetentionIsDeletedAndTheRestStays() {
		insert(1, 1_300, "2 h");
		insert(2_000, 10, "30 min");
		start(Duration.ofHours(1));
		Await.until("the old ones are gone", () -> ids().size() == 10);
		assertThat(ids()).allMatch((id) -> id >= 2_000);
	}

	@Test
	void withoutARetentionNothingIsDeleted() {
		insert(1, 1, "100 years");
		start(null);
		awaitSignsOfLife(5);
		assertThat(ids()).hasSize(1);
	}

	@Test
	void severalWorkersShareTheWork() {
		insert(1, 5_000, "2 h");
		start(Duration.ofHours(1));
		start(Duration.ofHours(1));
		Await.until("the old ones are gone", () -> ids().isEmpty());
	}

	@Test
	void whatSomebodyElseWorksOnIsPassedOverAndLookedAtAgain() {
		insert(1, 3, "2 h");
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT 1 FROM pgqueue.dead_letter WHERE id = 2 FOR UPDATE");
			// A retention shorter than the pause between two looks shortens that.
			start(Duration.ofMillis(300));
			Await.until("the others are gone", () -> ids().equals(List.of(2L)));
			session.commit();
			Await.until("it is gone as well", () -> ids().isEmpty());
		}
	}

	@Test
	void anExpiryThatFailsDoesNotKeepTheWorkerFromGivingSignsOfLife() {
		insert(1, 1, "2 h");
		rename("expire_dead_letters", "elsewhere");
		try {
			start(Duration.ofMillis(300));
			awaitSignsOfLife(10);
		}
		finally {
			rename("elsewhere", "expire_dead_letters");
		}
		Await.until("it works again", () -> ids().isEmpty());
	}

	@ParameterizedTest
	@ValueSource(strings = { "PT0S", "PT-1S", "PT0.0000001S" })
	void aRetentionThatKeepsNothingIsRefused(Duration retention) {
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> start(retention))
			.withMessageStartingWith("dead-letters.retention is " + retention + ", but must be at least a millisecond");
	}

	@Test
	void aRetentionWithoutAnEndIsAllowed() {
		insert(1, 1, "90 years");
		start(Duration.ofSeconds(Long.MAX_VALUE));
		awaitSignsOfLife(3);
		assertThat(ids()).hasSize(1);
	}

	private void start(@Nullable Duration retention) {
		QueueWorker worker = new QueueWorker(this.database.directDataSource(), TestDatabase.SCHEMA, "test",
				Duration.ofSeconds(1), Duration.ofMillis(100), new WakeUps(), retention);
		this.workers.add(worker);
		worker.start();
		try {
			// Whoever holds something gives signs of life often.
			worker.await(Duration.ofSeconds(20)).nextLeases(1);
		}
		catch (InterruptedException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private void rename(String from, String to) {
		this.database.jdbc()
			.sql("ALTER FUNCTION pgqueue." + from + "(integer, timestamptz, bigint, integer) RENAME TO " + to)
			.update();
	}

	private void awaitSignsOfLife(int count) {
		for (int i = 0; i < count; i++) {
			Instant last = lastSign();
			Await.until("there is another sign of life", () -> lastSign().isAfter(last));
		}
	}

	private Instant lastSign() {
		return this.database.jdbc()
			.sql("SELECT max(beat_at) FROM pgqueue.heartbeat")
			.query((results, row) -> results.getTimestamp(1).toInstant())
			.single();
	}

	private List<Long> ids() {
		return this.database.jdbc().sql("SELECT id FROM pgqueue.dead_letter ORDER BY id").query(Long.class).list();
	}

	private void insert(int first, int count, String age) {
		this.database.jdbc()
			.sql("""
					INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives,
						enqueued_at, dead_at, payload)
					SELECT s.id, n, s.queue_id, 0, 1, 5, 0, now(), now() - ?::interval + n * interval '1 ms', '1'
					FROM generate_series(?, ?) AS n JOIN pgqueue.subscription s ON s.id = 1 + n % 3""")
			.params(age, first, first + count - 1)
			.update();
	}

}
