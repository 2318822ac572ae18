package io.pgqueue.listener;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * While notifications arrive, the worker looks into the queues for all who wait: here
 * five times a second.
 */
@PgQueueDatabase
class LookoutIntegrationTests {

	private static final Duration TIMEOUT = Duration.ofSeconds(2);

	private static final Duration NEVER = Duration.ofMinutes(10);

	private static final Duration SOON = Duration.ofMillis(500);

	private final TestDatabase database;

	private final List<TestApplication> applications = new ArrayList<>();

	private final Map<Object, Long> handled = new ConcurrentHashMap<>();

	/**
	 * Notifies nobody.
	 */
	private final TestApplication silent;

	private final String queue;

	LookoutIntegrationTests(TestDatabase database) {
		this.database = database;
		this.silent = TestApplication.on(database);
		this.queue = this.silent.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.applications.forEach(TestApplication::close);
	}

	/**
	 * A minute of the default interval of ten seconds has six looks, or seven because the
	 * pauses are not equally long.
	 */
	@Test
	void aHundredIdleQueuesCostAtMostTenStatementsAMinuteAndNoTransactionId() {
		ObservedDataSource pooled = new ObservedDataSource(this.database.dataSource());
		ObservedDataSource direct = new ObservedDataSource(this.database.directDataSource());
		TestApplication application = add(TestApplication.builder(this.database)
			.timeout(TIMEOUT)
			.pooled(pooled)
			.direct(direct)
			.notifications(NEVER));
		for (int i = 0; i < 100; i++) {
			handle(application, application.declareQueue());
		}
		application.start();
		awaitRest(application);
		// Others may use the server: one quiet minute out of some is proof.
		Await.until("a minute passes", () -> {
			long before = nextTransactionId();
			long borrowed = pooled.count("");
			long others = others(direct);
			long looks = looks(direct);
			Await.until("there were seven looks", () -> looks(direct) >= looks + 7);
			return pooled.count("") == borrowed && others(direct) - others <= 2 && nextTransactionId() == before;
		});
		assertThat(application.isResting()).isTrue();
	}

	@Test
	@Tag("long")
	void inAMinuteOfTheDefaultsAHundredIdleQueuesCostAtMostTenStatements() {
		ObservedDataSource pooled = new ObservedDataSource(this.database.dataSource());
		ObservedDataSource direct = new ObservedDataSource(this.database.directDataSource());
		TestApplication application = add(TestApplication.builder(this.database)
			.pooled(pooled)
			.direct(direct)
			.notifications(Duration.ofSeconds(10)));
		for (int i = 0; i < 100; i++) {
			String name = application.declareQueue();
			application.handle(ContainerOptions.builder(name, name).build(), (message) -> {
			});
		}
		application.start();
		awaitRest(application);
		Await.until("everybody rests", Duration.ofMinutes(1), () -> {
			long borrowed = pooled.count("");
			long looks = looks(direct);
			Await.until("a look has passed", () -> looks(direct) > looks);
			return pooled.count("") == borrowed;
		});
		long before = pooled.count("") + direct.count("");
		long began = System.nanoTime();
		Await.until("a minute has passed", Duration.ofMinutes(2),
				() -> System.nanoTime() - began > Duration.ofMinutes(1).toNanos());
		assertThat(pooled.count("") + direct.count("") - before).isBetween(6L, 10L);
	}

	@Test
	void theFirstMessageAfterARestIsHandledWhenItIsAnnouncedAndNotWhenSomebodyLooks() {
		TestApplication application = add(TestApplication.builder(this.database).timeout(NEVER).notifications(NEVER));
		handle(application, this.queue);
		application.start();
		awaitRest(application);
		TestApplication sender = add(TestApplication.builder(this.database).notifications());
		sender.start();
		sender.queues().send(this.queue, "announced");
		awaitHandled("announced");
	}

	@Test
	void whatNobodyAnnouncedIsFoundByTheNextLook() {
		rest(NEVER);
		this.silent.queues().send(this.queue, "not announced");
		awaitHandled("not announced");
	}

	@Test
	void aRetryThatADeadProcessWaitedForIsFoundByTheNextLookAfterItsTime() {
		rest(NEVER);
		this.database.jdbc()
			.sql("INSERT INTO pgqueue.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, "
					+ "payload) SELECT s.id, 1000000, q.id, 0, 1, 1, clock_timestamp() + interval '700 ms', now(), '\"again\"' "
					+ "FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id WHERE q.name = ?")
			.param(this.queue)
			.update();
		long stored = System.nanoTime();
		awaitHandled("again");
		assertThat(Duration.ofNanos(this.handled.get("again") - stored)).isGreaterThan(Duration.ofMillis(600));
	}

	@Test
	void aScheduledMessageThatNobodyAnnouncedIsHandledWhenItIsDue() {
		rest(NEVER);
		long sent = System.nanoTime();
		this.silent.queues().send(this.queue, "later", (options) -> options.delay(Duration.ofSeconds(1)));
		awaitHandled("later");
		assertThat(Duration.ofNanos(this.handled.get("later") - sent)).isGreaterThanOrEqualTo(Duration.ofSeconds(1));
	}

	@Test
	void aScheduledMessageThatWasCommittedLongAfterItsTimeIsFoundByALook() {
		rest(NEVER);
		this.database.jdbc()
			.sql("INSERT INTO pgqueue.scheduled (queue_id, due_at, enqueued_at, size, payload) "
					+ "SELECT id, now() - interval '1 hour', now(), 1, '\"late\"' FROM pgqueue.queue WHERE name = ?")
			.param(this.queue)
			.update();
		awaitHandled("late");
	}

	@Test
	void afterTheConnectionOfTheWorkerWasTerminatedItLooksAgain() {
		TestApplication application = rest(NEVER);
		this.database.jdbc()
			.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%look_around(%' "
					+ "AND pid <> pg_backend_pid() AND datname = current_database()")
			.query(Boolean.class)
			.list();
		this.silent.queues().send(this.queue, "meanwhile");
		awaitHandled("meanwhile");
		awaitRest(application);
		this.silent.queues().send(this.queue, "afterwards");
		awaitHandled("afterwards");
	}

	@Test
	void whileTheWorkerFailsEverybodyLooksForHimself() {
		TestApplication application = rest(SOON);
		rename("look_around", "elsewhere");
		try {
			Await.until("nobody relies on the worker", () -> !application.isResting());
			this.silent.queues().send(this.queue, "meanwhile");
			awaitHandled("meanwhile");
			this.silent.queues().send(this.queue, "promoted", (options) -> options.delay(Duration.ofMillis(10)));
			awaitHandled("promoted");
		}
		finally {
			rename("elsewhere", "look_around");
		}
		awaitRest(application);
	}

	@Test
	void whileTheWorkerHangsEverybodyLooksForHimself() {
		TestApplication application = rest(SOON);
		try (Session locking = Session.begin(this.database)) {
			locking.execute("LOCK TABLE pgqueue.heartbeat IN ACCESS EXCLUSIVE MODE");
			Await.until("the worker hangs", this::isWorkerWaiting);
			this.silent.queues().send(this.queue, "meanwhile");
			Await.until("it is handled", () -> {
				// What else wakes the thread that supervises the worker is silence of
				// five seconds.
				this.database.jdbc().sql("SELECT pg_notify('pgqueue', '')").query().listOfRows();
				return this.handled.containsKey("meanwhile");
			});
			Await.until("nobody relies on the worker", () -> !application.isResting());
			assertThat(application.notifications()).isEqualTo(State.ARRIVING);
			assertThat(isWorkerWaiting()).isTrue();
		}
		awaitRest(application);
	}

	@Test
	void aContainerThatRestsHasItsQueueLookedIntoByTheWorker() {
		TestApplication application = rest(NEVER);
		Duration rested = Duration.ofSeconds(2);
		long began = System.nanoTime();
		List<Duration> since = new ArrayList<>();
		Await.until("it has rested for some time", () -> {
			since.add(application.container(this.queue).sinceLastPoll());
			return System.nanoTime() - began > rested.toNanos();
		});
		assertThat(since).allMatch((one) -> one.compareTo(rested) < 0);
	}

	private TestApplication rest(Duration pollInterval) {
		TestApplication application = add(
				TestApplication.builder(this.database).timeout(TIMEOUT).notifications(pollInterval));
		handle(application, this.queue);
		application.start();
		awaitRest(application);
		// Whoever still polls goes on to rest.
		application.wakeAll();
		application.queues().send(this.queue, "first");
		awaitHandled("first");
		return application;
	}

	private TestApplication add(TestApplication.Builder builder) {
		TestApplication application = builder.build();
		this.applications.add(application);
		return application;
	}

	private void handle(TestApplication application, String from) {
		application.handle(TestApplication.options(from).build(),
				(message) -> this.handled.put(message.payload(), System.nanoTime()));
	}

	private static void awaitRest(TestApplication application) {
		Await.until("those who wait rely on the worker", application::isResting);
	}

	private void awaitHandled(String payload) {
		Await.until("it is handled", () -> this.handled.containsKey(payload));
	}

	private static long others(ObservedDataSource direct) {
		return direct.count("") - looks(direct);
	}

	private static long looks(ObservedDataSource direct) {
		return direct.count("look_around(");
	}

	private void rename(String from, String to) {
		this.database.jdbc()
			.sql("ALTER FUNCTION pgqueue." + from + "(bigint, integer[], integer[], timestamptz) RENAME TO " + to)
			.update();
	}

	private boolean isWorkerWaiting() {
		return this.database.jdbc()
			.sql("SELECT count(*) > 0 FROM pg_locks WHERE relation = 'pgqueue.heartbeat'::regclass AND NOT granted")
			.query(Boolean.class)
			.single();
	}

	private long nextTransactionId() {
		return this.database.jdbc()
			.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
			.query(Long.class)
			.single();
	}

}
