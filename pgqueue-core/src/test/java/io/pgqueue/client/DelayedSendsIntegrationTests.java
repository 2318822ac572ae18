package io.pgqueue.client;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.IntStream;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.SendOptions;
import io.pgqueue.listener.ExpiredMessages;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * From a delayed send to its handler, end to end.
 */
@PgQueueDatabase
class DelayedSendsIntegrationTests {

	private static final Duration POLL = Duration.ofMinutes(5);

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final TransactionTemplate transactions;

	private final List<Arrival> arrivals = new CopyOnWriteArrayList<>();

	DelayedSendsIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
		this.transactions = new TransactionTemplate(new JdbcTransactionManager(database.dataSource()));
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	/**
	 * The container looks into its queue only when it is woken.
	 */
	@BeforeEach
	void start() {
		this.application
			.handle(TestApplication.options(this.queue).pollInterval(POLL).concurrency(4).build(),
					(message) -> this.arrivals.add(new Arrival((String) message.payload(), Instant.now())))
			.start();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	@Test
	void aDelayedMessageIsHandledWhenItIsDueAndNeverEarlier() {
		List<Long> latenesses = new ArrayList<>();
		for (int i = 0; i < 7; i++) {
			Duration delay = Duration.ofMillis(100 + 10 * i);
			Instant due = Instant.now().plus(delay);
			int message = i;
			if (i % 2 == 0) {
				send("message " + i, (options) -> options.delay(delay));
			}
			else {
				send("message " + i, (options) -> options.at(due));
			}
			Await.until("it is handled", () -> this.arrivals.size() == message + 1);
			assertThat(this.arrivals.get(i).at()).isAfterOrEqualTo(due);
			latenesses.add(Duration.between(due, this.arrivals.get(i).at()).toMillis());
		}
		Collections.sort(latenesses);
		// A thread that only polls once a second would be late by half a second.
		assertThat(latenesses.get(3)).as("milliseconds late, all: %s", latenesses).isLessThan(250);
	}

	@Test
	void anEarlierMessageOvertakesALaterOne() {
		send("later", (options) -> options.delay(Duration.ofMillis(900)));
		send("earlier", (options) -> options.delay(Duration.ofMillis(50)));
		Await.until("both are handled", () -> this.arrivals.size() == 2);
		assertThat(this.arrivals).extracting(Arrival::payload).containsExactly("earlier", "later");
	}

	@Test
	void allOfABatchAreDelayed() {
		Instant due = Instant.now().plusMillis(200);
		this.application.queues()
			.sendAll(this.queue, IntStream.range(0, 1_500).mapToObj(String::valueOf).toList(),
					(options) -> options.at(due));
		Await.until("all are handled", () -> this.arrivals.size() == 1_500);
		assertThat(this.arrivals).allMatch((arrival) -> !arrival.at().isBefore(due));
		assertThat(this.application.events().sent(this.queue)).isEqualTo(1_500);
	}

	@Test
	void aDelayedSendThatIsRolledBackLeavesNothing() {
		this.transactions.executeWithoutResult((status) -> {
			send("never", (options) -> options.delay(Duration.ofMillis(1)));
			status.setRollbackOnly();
		});
		send("marker", (options) -> options.delay(Duration.ofMillis(50)));
		Await.until("the marker is handled", () -> this.arrivals.size() == 1);
		assertThat(this.arrivals).extracting(Arrival::payload).containsExactly("marker");
		assertThat(scheduled()).isZero();
		assertThat(this.application.events().sent(this.queue)).isEqualTo(1);
	}

	@Test
	void aTransactionThatTakesLongerThanTheDelayDelaysToItsCommit() {
		this.transactions.executeWithoutResult((status) -> {
			send("late", (options) -> options.delay(Duration.ofNanos(1_000)));
			// As if the transaction had taken longer than the low-water mark stays
			// behind.
			JdbcClient.create(this.database.dataSource())
				.sql("UPDATE pgqueue.scheduled SET due_at = due_at - interval '25 s'")
				.update();
			assertThat(this.arrivals).isEmpty();
		});
		Await.until("it is handled", () -> this.arrivals.size() == 1);
	}

	@Test
	void whatAnotherProcessSchedulesIsHandledToo() {
		// That one does not listen, so nobody there promotes.
		TestApplication elsewhere = TestApplication.on(this.database);
		Instant due = Instant.now().plusMillis(300);
		elsewhere.queues().send(this.queue, "from elsewhere", (options) -> options.at(due));
		Await.until("it is handled", () -> this.arrivals.size() == 1);
		assertThat(this.arrivals.get(0).at()).isAfterOrEqualTo(due);
	}

	@Test
	void aZeroDelayAndATimeThatHasPassedMeanAtOnce() {
		send("zero", (options) -> options.delay(Duration.ZERO));
		send("past", (options) -> options.at(Instant.EPOCH));
		send("long ago", (options) -> options.at(Instant.MIN));
		assertThat(scheduled()).isZero();
		Await.until("all are handled", () -> this.arrivals.size() == 3);
	}

	@Test
	void theLongestDelayCanBeStored() {
		send("in a hundred years", (options) -> options.delay(Duration.ofDays(36_500)));
		assertThat(scheduled()).isOne();
		this.database.jdbc().sql("DELETE FROM pgqueue.scheduled").update();
	}

	@Test
	void timesThatMakeNoSenseFailBeforeAnythingIsWritten() {
		assertThatExceptionOfType(InvalidMessageException.class)
			.isThrownBy(() -> send("never", (options) -> options.delay(Duration.ofSeconds(-1))));
		assertThatExceptionOfType(InvalidMessageException.class).isThrownBy(() -> this.application.queues()
			.sendAll(this.queue, List.of("never"), (options) -> options.at(Instant.MAX)));
		assertThat(scheduled()).isZero();
		assertThat(this.application.events().sent(this.queue)).isZero();
	}

	@Test
	void anExpiredMessageIsCountedAndNotHandled() {
		send("too late", (options) -> options.timeToLive(Duration.ofNanos(1)));
		send("in time", (options) -> options.timeToLive(Duration.ofMinutes(5)));
		Await.until("it is counted", () -> this.application.events().expired(this.queue) == 1);
		Await.until("the other is handled", () -> this.arrivals.size() == 1);
		assertThat(this.arrivals).extracting(Arrival::payload).containsExactly("in time");
		assertThat(this.application.events().deadLettered(this.queue)).isZero();
		assertThat(this.application.admin().deadLetters(this.queue, 10)).isEmpty();
	}

	@Test
	void anExpiredMessageIsADeadLetterIfTheContainerSaysSo() {
		String own = this.application.declareQueue();
		this.application.handle(TestApplication.options(own).expired(ExpiredMessages.DEAD_LETTER).build(),
				(message) -> this.arrivals.add(new Arrival("never", Instant.now())));
		long id = this.application.queues()
			.send(own, "too late", (options) -> options.timeToLive(Duration.ofNanos(1)))
			.id();
		Await.until("it is counted", () -> this.application.events().deadLettered(own) == 1);
		assertThat(this.application.events().expired(own)).isOne();
		assertThat(this.application.admin().deadLetters(own, 10)).singleElement()
			.satisfies((dead) -> assertThat(dead.id()).isEqualTo(id));
		assertThat(this.arrivals).isEmpty();
	}

	private void send(String payload, Consumer<SendOptions> options) {
		this.application.queues().send(this.queue, payload, options);
	}

	private long scheduled() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.scheduled s JOIN pgqueue.queue q ON q.id = s.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Long.class)
			.single();
	}

	/**
	 * A message that reached its handler.
	 *
	 * @param payload its payload
	 * @param at when
	 */
	private record Arrival(String payload, Instant at) {
	}

}
