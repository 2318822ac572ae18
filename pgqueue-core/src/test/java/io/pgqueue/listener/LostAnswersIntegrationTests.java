package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;

import ch.qos.logback.classic.Level;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The connection breaks after a statement has taken effect and before its answer comes.
 */
@PgQueueDatabase
class LostAnswersIntegrationTests {

	private final TestDatabase database;

	private final ObservedDataSource observed;

	private final TestApplication application;

	private final String queue;

	private final Map<Long, List<Integer>> handled = new ConcurrentHashMap<>();

	LostAnswersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.observed = new ObservedDataSource(database.dataSource());
		this.application = TestApplication.builder(database)
			.pooled(this.observed)
			.timeout(Duration.ofSeconds(1))
			.build();
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@Test
	void whatAClaimTookBeforeItsAnswerWasLostIsDeliveredAtTheFirstAttempt() {
		send(5);
		this.observed.loseNextAnswer("claim(");
		this.application.handle(options().build(), this::handle).start();
		Await.until("all were handled", () -> this.handled.size() == 5);
		assertThat(this.observed.isAnswerLost()).isTrue();
		assertEachHandledOnceAtTheFirstAttempt();
	}

	@Test
	void theSameIfThereWasNoMemoryForTheAnswer() {
		send(5);
		this.observed.loseNextAnswer("claim(", new OutOfMemoryError("pretended"));
		this.application.handle(options().build(), this::handle).start();
		Await.until("all were handled", () -> this.handled.size() == 5);
		assertThat(this.observed.isAnswerLost()).isTrue();
		assertEachHandledOnceAtTheFirstAttempt();
	}

	@Test
	void whatTheDatabaseShowsInALeaseThatNobodyKnowsIsDeliveredAtTheFirstAttempt() {
		this.application.handle(options().pollInterval(Duration.ofMillis(200)).build(), this::handle).start();
		Await.until("the container has polled twice", () -> this.observed.count("claim(") > 2);
		TestApplication elsewhere = TestApplication.on(this.database);
		elsewhere.queues().send(this.queue, "x");
		// The number of a claim that found nothing.
		claimInTheNameOfTheWorker(1);
		Await.until("it was handled", () -> this.handled.size() == 1);
		assertEachHandledOnceAtTheFirstAttempt();
	}

	@Test
	void anAcknowledgementIsNotUndoneByALostAnswer() {
		this.application.handle(options().build(), this::handle).start();
		this.observed.loseNextAnswer("settle_alone(");
		send(20);
		Await.until("all were handled", () -> this.handled.size() == 20);
		Await.until("nothing is held any more", () -> rows("lease") == 0);
		assertThat(this.observed.isAnswerLost()).isTrue();
		send(1);
		Await.until("the container goes on", () -> this.handled.size() == 21);
		assertEachHandledOnceAtTheFirstAttempt();
	}

	@Test
	void aRetryIsNeitherLostNorDoubledByALostAnswer() {
		this.observed.loseNextAnswer("retry(");
		this.application.handle(options().build(), (message) -> {
			handle(message);
			if (message.attempt() == 1) {
				throw new IllegalStateException("failed");
			}
		}).start();
		send(1);
		Await.until("it was delivered again", () -> attempts().size() == 2);
		Await.until("nothing is left", () -> rows("retry") == 0);
		assertThat(attempts()).containsExactly(1, 2);
		assertThat(this.observed.isAnswerLost()).isTrue();
	}

	@Test
	void aDeadLetterIsNeitherLostNorDoubledByALostAnswer() {
		this.observed.loseNextAnswer("bury(");
		this.application.handle(options().retryPolicy(TestApplication.ONCE).build(), (message) -> {
			handle(message);
			throw new IllegalStateException("failed");
		}).start();
		send(3);
		Await.until("they are dead letters", () -> this.application.admin().deadLetters(this.queue, 10).size() == 3);
		assertThat(this.observed.isAnswerLost()).isTrue();
		assertEachHandledOnceAtTheFirstAttempt();
	}

	@Test
	void outcomesThatTheDatabaseDoesNotTakeForAWhileAreWrittenLater() {
		try (CapturedLog log = new CapturedLog()) {
			try (DatabaseLock lock = DatabaseLock.on(this.database, "pgqueue.lease")) {
				// Makes the claim or the acknowledgement wait, and then fail.
				send(5);
				this.application.handle(options().build(), this::handle).start();
				lock.awaitBlocked();
				this.database.jdbc()
					.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
					.query()
					.listOfRows();
			}
			Await.until("all are acknowledged", () -> this.application.events().completed(this.queue) == 5);
			assertThat(log.lines(Level.WARN)).hasSizeLessThan(5);
		}
		assertEachHandledOnceAtTheFirstAttempt();
	}

	private ContainerOptions.Builder options() {
		return TestApplication.options(this.queue);
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	private void handle(QueueMessage<String> message) {
		this.handled.computeIfAbsent(message.id(), (id) -> new CopyOnWriteArrayList<>()).add(message.attempt());
	}

	private List<Integer> attempts() {
		return this.handled.values().stream().findFirst().orElse(List.of());
	}

	private void assertEachHandledOnceAtTheFirstAttempt() {
		assertThat(this.handled).allSatisfy((id, attempts) -> assertThat(attempts).containsExactly(1));
	}

	private void claimInTheNameOfTheWorker(long lease) {
		List<Map<String, Object>> rows = JdbcClient.create(this.database.directDataSource())
			.sql("SELECT c.state FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id "
					+ "CROSS JOIN (SELECT max(id) AS id FROM pgqueue.worker) w "
					+ "CROSS JOIN LATERAL pgqueue.claim(w.id, ?, q.id, s.id, 10, 1000000, '-infinity') c "
					+ "WHERE q.name = ? AND c.id IS NOT NULL")
			.param(lease)
			.param(this.queue)
			.query()
			.listOfRows();
		assertThat(rows).as("what was claimed before the container did").hasSize(1);
	}

	private int rows(String table) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table
					+ " t JOIN pgqueue.queue q ON q.id = t.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

}
