package io.pgqueue.listener;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import ch.qos.logback.classic.Level;
import io.pgqueue.RetryPolicy;
import io.pgqueue.test.Await;
import io.pgqueue.test.FaultProxy;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Processes that tell each other what is new. As long as notifications arrive, a process
 * looks into its idle queues once a minute, which is longer than any test waits.
 */
@PgQueueDatabase
class NotificationIntegrationTests {

	private final TestDatabase database;

	private final TestApplication sender;

	private final TestApplication receiver;

	private final String queue;

	private final List<Object> handled = new CopyOnWriteArrayList<>();

	NotificationIntegrationTests(TestDatabase database) {
		this.database = database;
		this.sender = TestApplication.builder(database).notifications().build();
		this.receiver = TestApplication.builder(database).notifications().timeout(Duration.ofMinutes(10)).build();
		this.queue = this.receiver.declareQueue();
		this.receiver.handle(TestApplication.options(this.queue).build(),
				(message) -> this.handled.add(message.payload()));
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.sender.close();
		this.receiver.close();
	}

	@Test
	void anotherProcessIsWokenByACommit() {
		start();
		new TransactionTemplate(new JdbcTransactionManager(this.database.dataSource()))
			.executeWithoutResult((status) -> send("first"));
		awaitHandled("first");
	}

	@Test
	void aProcessThatOnlySendsDoesNotListen() {
		start();
		assertThat(this.sender.notifications()).isEqualTo(State.STOPPED);
	}

	@Test
	void aDelayedMessageOfAnotherProcessIsHandledWhenItIsDue() {
		start();
		this.sender.queues().send(this.queue, "delayed", (options) -> options.delay(Duration.ofMillis(300)));
		awaitHandled("delayed");
	}

	@Test
	void whatAnotherProcessHandsBackIsHandledAtOnce() {
		String shared = this.receiver.declareQueue();
		TestApplication other = TestApplication.builder(this.database).notifications().build();
		other
			.handle(TestApplication.options(shared).concurrency(2).shutdownTimeout(Duration.ofMillis(200)).build(),
					(message) -> new CountDownLatch(1).await())
			.start();
		this.sender.start();
		this.sender.queues().sendAll(shared, List.of("in hand", "handed back"));
		Await.until("both are claimed", () -> leased() == 2);
		this.receiver.handle(TestApplication.options(shared).build(), (message) -> this.handled.add(message.payload()));
		this.receiver.start();
		awaitArriving();
		other.close();
		Await.until("both are handled", () -> this.handled.contains("in hand") && this.handled.contains("handed back"));
	}

	@Test
	void aRetryThatAProcessWaitedForIsHandledByAnotherWhenItIsDue() {
		start();
		RetryPolicy later = new RetryPolicy(4, Duration.ofSeconds(2), 1, Duration.ofSeconds(2), 0);
		TestApplication leaving = TestApplication.builder(this.database).notifications().build();
		leaving.handle(TestApplication.options(this.queue).retryPolicy(later).build(), (message) -> {
			throw new IllegalStateException("not here");
		}).start();
		Await.until("the process that leaves has had one", () -> {
			leaving.queues().send(this.queue, "sent");
			return leaving.events().failed(this.queue) > 0;
		});
		leaving.close();
		Await.until("all are handled", () -> this.handled.size() == leaving.events().sent(this.queue));
	}

	@Test
	void aTerminatedConnectionIsReplacedAndNothingWaitsMeanwhile() {
		start();
		try (CapturedLog log = new CapturedLog()) {
			terminateListeners();
			send("meanwhile");
			awaitHandled("meanwhile");
			awaitArriving();
			send("afterwards");
			awaitHandled("afterwards");
			assertThat(log.lines(Level.WARN)).filteredOn((line) -> line.contains("Notifications")).hasSize(1);
			assertThat(log.mostInASecond(Level.INFO)).isOne();
		}
	}

	/**
	 * Such a connection reports no error, it only says nothing any more.
	 */
	@Test
	void aConnectionThatIsSwallowedByTheNetworkIsReplaced() throws IOException {
		try (FaultProxy network = new FaultProxy(this.database);
				TestApplication cutOff = TestApplication.builder(this.database)
					.direct(network.dataSource())
					.timeout(Duration.ofSeconds(5))
					.notifications()
					.build()) {
			String other = cutOff.declareQueue();
			cutOff.handle(TestApplication.options(other).build(), (message) -> this.handled.add(message.payload()));
			cutOff.start();
			this.sender.start();
			Await.until("notifications arrive", () -> cutOff.notifications() == State.ARRIVING);
			network.swallow();
			this.sender.queues().send(other, "unheard");
			Await.until("the silence is noticed", () -> cutOff.notifications() == State.LOST);
			awaitHandled("unheard");
			Await.until("notifications arrive again", () -> cutOff.notifications() == State.ARRIVING);
			this.sender.queues().send(other, "heard");
			awaitHandled("heard");
		}
	}

	@Tag("long")
	@Test
	void aConnectionThatIsSwallowedBeforeItListensIsReplaced() throws IOException {
		try (FaultProxy network = new FaultProxy(this.database);
				TestApplication cutOff = TestApplication.builder(this.database)
					.direct(network.dataSource())
					.notifications()
					.build()) {
			String other = cutOff.declareQueue();
			cutOff.handle(TestApplication.options(other).build(), (message) -> this.handled.add(message.payload()));
			network.swallowAfter("LISTEN");
			cutOff.start();
			Await.until("two have been swallowed", () -> network.swallowed() == 2);
			network.swallowAfter(null);
			Await.until("notifications arrive", () -> cutOff.notifications() == State.ARRIVING);
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "", "nonsense", "/", "//", "x/1,2,none,-7,99999999999999999999", "/,,,", "a/s,c,a",
			"\u0001/\uD83D\uDE00" })
	void whateverOthersSendIsPassedOver(String payload) {
		start();
		notify(payload);
		notify("/" + "9,".repeat(3_000));
		send("afterwards");
		awaitHandled("afterwards");
		assertThat(this.receiver.notifications()).isEqualTo(State.ARRIVING);
	}

	@ParameterizedTest
	@ValueSource(strings = { "queue", "s", "c", "a" })
	void aFloodOfForeignNotificationsCausesABoundedNumberOfLooks(String sign) {
		ObservedDataSource pooled = new ObservedDataSource(this.database.dataSource());
		ObservedDataSource direct = new ObservedDataSource(this.database.directDataSource());
		try (TestApplication flooded = TestApplication.builder(this.database)
			.pooled(pooled)
			.direct(direct)
			.notifications()
			.build()) {
			String other = flooded.declareQueue();
			flooded.handle(TestApplication.options(other).build(), (message) -> this.handled.add(message.payload()))
				.start();
			this.sender.start();
			Await.until("notifications arrive", () -> flooded.notifications() == State.ARRIVING);
			int id = this.database.jdbc()
				.sql("SELECT id FROM pgqueue.queue WHERE name = ?")
				.param(other)
				.query(Integer.class)
				.single();
			long before = pooled.count("") + direct.count("");
			long began = System.nanoTime();
			JdbcClient.create(this.database.directDataSource(this.database.createUser()))
				.sql("DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_notify('pgqueue', i || '/%s'); COMMIT; END LOOP; END $$"
					.formatted(sign.equals("queue") ? id : sign))
				.update();
			long millis = (System.nanoTime() - began) / 1_000_000;
			this.sender.queues().send(other, "after the flood");
			awaitHandled("after the flood");
			assertThat(pooled.count("") + direct.count("")).isGreaterThan(before);
			for (String look : List.of("claim(", "promote(", "look_around(")) {
				assertThat(pooled.count(look) + direct.count(look)).as("%s in %s ms", look, millis)
					.isLessThan(40 + millis / 2);
			}
			assertThat(flooded.notifications()).isEqualTo(State.ARRIVING);
		}
	}

	@Test
	void whatWasCommittedWithoutANotificationIsFoundByPolling() {
		TestApplication silent = TestApplication.on(this.database);
		TestApplication polling = TestApplication.on(this.database);
		String other = polling.declareQueue();
		polling.handle(TestApplication.options(other).build(), (message) -> this.handled.add(message.payload()));
		polling.start();
		try {
			silent.queues().send(other, "unannounced");
			awaitHandled("unannounced");
		}
		finally {
			polling.close();
		}
	}

	@Test
	void whatAProcessCommitsThatDiesBeforeItNotifiesIsFoundWithTheNextLook() throws IOException, InterruptedException {
		try (TestApplication looking = TestApplication.builder(this.database)
			.timeout(Duration.ofMinutes(10))
			.notifications(Duration.ofSeconds(1))
			.build()) {
			String other = looking.declareQueue();
			looking.handle(TestApplication.options(other).build(), (message) -> this.handled.add(message.payload()));
			looking.start();
			Await.until("notifications arrive", () -> looking.notifications() == State.ARRIVING);
			String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
			Process dying = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
					"-XX:TieredStopAtLevel=1", "-cp", classPath, DyingProcess.class.getName(), this.database.jdbcUrl(),
					this.database.username(), this.database.password(), other, "last words")
				.inheritIO()
				.start();
			assertThat(dying.waitFor(60, TimeUnit.SECONDS)).isTrue();
			assertThat(dying.exitValue()).isEqualTo(DyingProcess.EXIT);
			awaitHandled("last words");
			assertThat(looking.notifications()).isEqualTo(State.ARRIVING);
		}
	}

	@Test
	void theConnectionAndTheThreadsEndWithTheApplication() {
		start();
		assertThat(listeners()).isOne();
		this.receiver.close();
		this.sender.close();
		Await.until("the connection is closed", () -> listeners() == 0);
		assertThat(Thread.getAllStackTraces().keySet().stream().map(Thread::getName))
			.doesNotContain("pgqueue-notifications", "pgqueue-notifier");
	}

	private void start() {
		this.sender.start();
		this.receiver.start();
		awaitArriving();
	}

	private void awaitArriving() {
		Await.until("notifications arrive", () -> this.receiver.notifications() == State.ARRIVING);
	}

	private void send(String payload) {
		this.sender.queues().send(this.queue, payload);
	}

	private void awaitHandled(String payload) {
		Await.until("it is handled", () -> this.handled.contains(payload));
	}

	private void notify(String payload) {
		this.database.jdbc().sql("SELECT pg_notify('pgqueue', ?)").param(payload).query().listOfRows();
	}

	private long listeners() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
			.query(Long.class)
			.single();
	}

	private void terminateListeners() {
		this.database.jdbc()
			.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()")
			.query(Boolean.class)
			.list();
	}

	private long leased() {
		return this.database.jdbc()
			.sql("SELECT coalesce(sum(cardinality(ids)), 0) FROM pgqueue.lease")
			.query(Long.class)
			.single();
	}

}
