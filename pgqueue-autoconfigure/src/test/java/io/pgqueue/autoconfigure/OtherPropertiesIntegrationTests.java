package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.InvalidMessageException;
import io.pgqueue.QueueOperations;
import io.pgqueue.SendRejectedException;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import io.pgqueue.wakeup.NotificationLifecycle;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNoException;

/**
 * Properties of the template, the leases and the direct connections.
 */
@PgQueueDatabase
@ExtendWith(OutputCaptureExtension.class)
class OtherPropertiesIntegrationTests {

	private static final Duration ONE_SECOND = Duration.ofSeconds(1);

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	OtherPropertiesIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.quickRunner(database).withPropertyValues("pgqueue.queues.target.concurrency=1");
	}

	@Test
	void withoutNotificationsNobodyListensAndQueuesArePolled() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.notify.enabled=false", "pgqueue.listener.poll-interval=20ms")
			.run((context) -> {
				assertThat(context).doesNotHaveBean(NotificationLifecycle.class);
				assertThat(listens()).isZero();
				this.database.jdbc()
					.sql("SELECT count(*) FROM pgqueue.send_batch('inbox', ARRAY['\"by SQL\"'], ARRAY[NULL::text])")
					.query(Long.class)
					.single();
				Inbox inbox = context.getBean(Inbox.class);
				Await.until("it was found by polling", () -> inbox.received().contains("by SQL"));
			});
	}

	@Test
	void whileNotificationsArriveIdleQueuesAreLookedIntoAsRarelyAsConfigured() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.listener.poll-interval=20ms", "pgqueue.notify.poll-interval=7m")
			.run((context) -> {
				NotificationLifecycle notifications = context.getBean(NotificationLifecycle.class);
				QueueListenerContainer container = context.getBean(QueueListenerRegistry.class)
					.containers()
					.iterator()
					.next();
				Await.until("notifications arrive", () -> notifications.state() == State.ARRIVING);
				assertThat(listens()).isOne();
				assertThat(container.longestPause()).isEqualTo(Duration.ofMinutes(7));
				Await.until("the container sleeps", () -> container.sinceLastPoll().compareTo(ONE_SECOND) > 0);
				this.database.jdbc()
					.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
					.query(Boolean.class)
					.list();
				Await.until("it has looked at once", () -> container.sinceLastPoll().compareTo(ONE_SECOND) < 0);
			});
	}

	@ParameterizedTest
	@CsvSource({ "0s, PT0S", "-1s, PT-1S" })
	void aPaceForIdleQueuesThatCannotWorkFailsTheStart(String interval, String shown) {
		assertFailsTheStart("pgqueue.notify.poll-interval=" + interval, "notify.poll-interval is " + shown);
	}

	private long listens() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
			.query(Long.class)
			.single();
	}

	@Test
	void aPayloadMayBeAsLargeAsConfigured() {
		this.application.withPropertyValues("pgqueue.template.max-payload=100B").run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			assertThatNoException().isThrownBy(() -> queues.send("target", "x".repeat(98)));
			assertThatExceptionOfType(InvalidMessageException.class)
				.isThrownBy(() -> queues.send("target", "x".repeat(99)))
				.withMessageContaining("101 bytes")
				.withMessageContaining("pgqueue.template.max-payload allows 100");
		});
		this.application.run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			assertThatNoException().isThrownBy(() -> queues.send("target", "x".repeat(1024 * 1024 - 2)));
			assertThatExceptionOfType(InvalidMessageException.class)
				.isThrownBy(() -> queues.send("target", "x".repeat(1024 * 1024 - 1)));
		});
	}

	@ParameterizedTest
	@CsvSource({ "0B, max-payload is 0 bytes", "-1B, max-payload is -1 bytes", "65MB, max-payload is 68157440 bytes" })
	void aLimitForPayloadsThatCannotWorkFailsTheStart(String limit, String sentence) {
		assertFailsTheStart("pgqueue.template.max-payload=" + limit, sentence);
	}

	@Test
	void aSendOutsideATransactionIsRefusedIfConfigured() {
		this.application.withPropertyValues("pgqueue.template.outside-transaction=reject").run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			assertThatExceptionOfType(SendRejectedException.class).isThrownBy(() -> queues.send("target", "hello"))
				.withMessageContaining("'reject'");
			assertThatNoException().isThrownBy(() -> context.getBean(TransactionTemplate.class)
				.executeWithoutResult((status) -> queues.send("target", "hello")));
		});
	}

	@Test
	void aSendOutsideATransactionIsWarnedAboutIfConfigured(CapturedOutput output) {
		this.application.withPropertyValues("pgqueue.template.outside-transaction=warn").run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			context.getBean(TransactionTemplate.class).executeWithoutResult((status) -> queues.send("target", "hello"));
			assertThat(output).doesNotContain("outside a transaction");
			queues.send("target", "hello");
			assertThat(output).contains("Sending to 'target' outside a transaction");
		});
	}

	@Test
	void aSendOutsideATransactionIsNothingSpecialByDefault(CapturedOutput output) {
		this.application.run((context) -> context.getBean(QueueOperations.class).send("target", "hello"));
		assertThat(output).doesNotContain("outside a transaction");
	}

	@Test
	void whatADeadProcessHeldIsDeliveredAfterTheLeaseTimeout() {
		this.application.run((context) -> context.getBean(QueueOperations.class).send("target", "left behind"));
		claimAsADeadProcess("target");
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("inbox.queue=target", "pgqueue.lease.timeout=1s")
			.run((context) -> Await.until("it was delivered again", Duration.ofSeconds(15),
					() -> context.getBean(Inbox.class).received().contains("left behind")));
	}

	@Test
	void signsOfLifeAreGivenAsOftenAsConfigured() {
		this.application.withUserConfiguration(Busy.class)
			.withPropertyValues("pgqueue.lease.heartbeat=50ms")
			.run((context) -> {
				context.getBean(QueueOperations.class).send("busy", "hello");
				Busy busy = context.getBean(Busy.class);
				busy.started.await();
				String first = signOfLife();
				Await.until("there was another sign of life", Duration.ofSeconds(4), () -> !first.equals(signOfLife()));
				busy.end.countDown();
			});
	}

	@ParameterizedTest
	@CsvSource({ "timeout=0s, lease.timeout", "timeout=-1s, lease.timeout", "heartbeat=0s, lease.heartbeat",
			"heartbeat=-1s, lease.heartbeat", "heartbeat=31s, lease.heartbeat", "heartbeat=16s, lease.heartbeat",
			"heartbeat=30s, lease.heartbeat" })
	void aLeaseThatCannotWorkFailsTheStart(String property, String sentence) {
		assertFailsTheStart("pgqueue.lease." + property, sentence);
	}

	@Test
	void deadLettersAreKeptForAsLongAsConfigured() {
		this.application.run((context) -> assertThat(context).hasNotFailed());
		insertDeadLetter(1, "40 min");
		insertDeadLetter(2, "20 min");
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			context.getBean(QueueOperations.class).send("inbox", "hello");
			Await.until("the listener works", () -> context.getBean(Inbox.class).received().contains("hello"));
			assertThat(deadLetters()).containsExactly(1L, 2L);
		});
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.dead-letters.retention=30m")
			.run((context) -> Await.until("the older one is gone", () -> deadLetters().equals(List.of(2L))));
	}

	@Test
	void aRetentionThatCannotWorkFailsTheStart() {
		assertFailsTheStart("pgqueue.dead-letters.retention=0s", "dead-letters.retention is PT0S");
	}

	@Test
	void signsOfLifeTakeTheDirectUrlAndUser() {
		TestUser user = this.database.createUser();
		this.application.run((context) -> assertThat(context).hasNotFailed());
		this.database.grantUse(user, TestDatabase.SCHEMA);
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.direct.url=" + Applications.url(this.database, "ApplicationName=direct"),
					"pgqueue.direct.user=" + user.name(), "pgqueue.direct.password=" + user.password())
			.run((context) -> {
				assertThat(context).hasNotFailed();
				Await.until("there are the two connections of that user", () -> this.database.jdbc()
					.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'direct' AND usename = ?")
					.param(user.name())
					.query(Long.class)
					.single() == 2);
			});
	}

	@Test
	void aDirectUrlThatLeadsNowhereFailsTheStart() {
		this.application.withPropertyValues("pgqueue.direct.url=jdbc:postgresql://localhost:1/none")
			.run((context) -> assertThat(context).getFailure().cause().hasStackTraceContaining("localhost:1"));
	}

	private void assertFailsTheStart(String property, String sentence) {
		this.application.withPropertyValues(property).run((context) -> {
			assertThat(context).hasFailed();
			assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining(sentence)
				.hasMessageContaining("must be");
		});
	}

	private void claimAsADeadProcess(String queue) {
		long worker = this.database.jdbc().sql("SELECT pgqueue.register_worker('gone')").query(Long.class).single();
		long claimed = this.database.jdbc().sql("""
				SELECT count(c.id) FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id
				CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, s.id, 1000, 1000000000, '-infinity') c
				WHERE q.name = ?""").params(worker, queue).query(Long.class).single();
		assertThat(claimed).isPositive();
	}

	private void insertDeadLetter(long id, String age) {
		this.database.jdbc()
			.sql("""
					INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives,
						enqueued_at, dead_at, payload) VALUES (1, ?, 1, 0, 1, 5, 0, now(), now() - ?::interval, '1')""")
			.params(id, age)
			.update();
	}

	private List<Long> deadLetters() {
		return this.database.jdbc().sql("SELECT id FROM pgqueue.dead_letter ORDER BY id").query(Long.class).list();
	}

	private String signOfLife() {
		return this.database.jdbc()
			.sql("SELECT max(beat_at)::text FROM pgqueue.heartbeat")
			.query(String.class)
			.single();
	}

	static class Busy {

		private final CountDownLatch started = new CountDownLatch(1);

		private final CountDownLatch end = new CountDownLatch(1);

		@QueueListener("busy")
		void on(String text) throws InterruptedException {
			this.started.countDown();
			this.end.await();
		}

	}

}
