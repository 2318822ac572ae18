package io.pgqueue.listener;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

import ch.qos.logback.classic.Level;
import io.pgqueue.QueueMessage;
import io.pgqueue.RetryPolicy;
import io.pgqueue.test.Await;
import io.pgqueue.test.FaultProxy;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class DeadWorkersIntegrationTests {

	private static final Duration TIMEOUT = Duration.ofSeconds(1);

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final Map<Long, List<Integer>> handled = new ConcurrentHashMap<>();

	private final CountDownLatch gate = new CountDownLatch(1);

	DeadWorkersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.builder(database).timeout(TIMEOUT).build();
		this.queue = this.application.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.gate.countDown();
		this.application.close();
	}

	@Test
	void whatADeadProcessHeldIsDeliveredByAnotherAfterTheTimeoutAsTheSecondAttempt() {
		this.application.queues().sendAll(this.queue, List.of("1", "2", "3"));
		this.application.queues().send(this.queue, "nobody held it");
		long dead = registerWorker();
		assertThat(claim(dead, 3)).isEqualTo(3);
		long started = System.nanoTime();
		this.application.handle(options().build(), this::handle).start();
		Await.until("all four were handled", () -> this.handled.size() == 4);
		assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThan(TIMEOUT);
		assertThat(this.handled.values().stream().flatMap(List::stream)).containsExactlyInAnyOrder(1, 2, 2, 2);
	}

	@Test
	void aMessageWhoseProcessDiesEveryTimeBecomesADeadLetter() {
		this.application.queues().send(this.queue, "kills its process");
		for (int i = 0; i < 2; i++) {
			long dead = registerWorker();
			Await.until("a process has claimed it", () -> claim(dead, 1) == 1);
			this.database.jdbc().sql("UPDATE pgqueue.worker SET dead_at = now() WHERE id = ?").param(dead).update();
			this.database.jdbc().sql("SELECT pgqueue.recover(?, 10)").param(dead).query().listOfRows();
		}
		RetryPolicy two = new RetryPolicy(2, Duration.ZERO, 1, Duration.ZERO, 0);
		this.application.handle(options().retryPolicy(two).build(), this::handle).start();
		Await.until("it is a dead letter", () -> this.application.admin().deadLetters(this.queue, 1).size() == 1);
		assertThat(this.handled).isEmpty();
		assertThat(this.application.admin().deadLetters(this.queue, 1).get(0)).satisfies((letter) -> {
			assertThat(letter.errorClass()).isEqualTo("io.pgqueue.WorkerDied");
			assertThat(letter.errorMessage()).contains("died while it held this message");
		});
	}

	@Test
	void aProcessThatGivesSignsOfLifeKeepsWhatItHoldsForAsLongAsItTakes() {
		AtomicInteger blocked = new AtomicInteger();
		this.application.handle(options().build(), (message) -> {
			blocked.incrementAndGet();
			this.gate.await();
			handle(message);
		}).start();
		this.application.queues().send(this.queue, "takes long");
		Await.until("it is being handled", () -> blocked.get() == 1);
		try (TestApplication other = TestApplication.builder(this.database).timeout(Duration.ofSeconds(1)).build()) {
			other.handle(options().build(), this::handle).start();
			long beats = beats();
			Await.until("the worker has given five signs of life", () -> beats() != beats);
			for (int i = 0; i < 4; i++) {
				long last = beats();
				Await.until("the worker has given another sign of life", () -> beats() != last);
			}
			assertThat(this.handled).isEmpty();
			this.gate.countDown();
			Await.until("it was handled", () -> this.handled.size() == 1);
		}
		assertThat(this.handled.values()).containsExactly(List.of(1));
		assertThat(blocked).hasValue(1);
	}

	@Test
	void aProcessWhoseSignsOfLifeTheNetworkSwallowsGivesThemAnotherWay() throws IOException {
		Duration timeout = Duration.ofSeconds(8);
		AtomicInteger begun = new AtomicInteger();
		try (FaultProxy network = new FaultProxy(this.database);
				TestApplication cutOff = TestApplication.builder(this.database)
					.direct(network.dataSource())
					.timeout(timeout)
					.build();
				TestApplication other = TestApplication.builder(this.database).timeout(timeout).build()) {
			cutOff.handle(options().build(), (message) -> {
				begun.incrementAndGet();
				this.gate.await();
				handle(message);
			}).start();
			cutOff.queues().send(this.queue, "takes long");
			Await.until("it is being handled", () -> begun.get() == 1);
			other.handle(options().build(), this::handle).start();
			network.swallow();
			int before = network.opened();
			Await.until("there is another connection", () -> network.opened() > before);
			long last = beats();
			Await.until("the worker has given another sign of life", () -> beats() != last);
			this.gate.countDown();
			Await.until("it was handled", () -> this.handled.size() == 1);
		}
		assertThat(this.handled.values()).containsExactly(List.of(1));
	}

	@Test
	void aProcessThatWasDeclaredDeadByMistakeRegistersAnewAndReportsWhatItHasLost() {
		AtomicInteger first = new AtomicInteger();
		this.application.handle(options().concurrency(2).build(), (message) -> {
			if (message.attempt() == 1) {
				first.incrementAndGet();
				this.gate.await();
			}
			handle(message);
		}).start();
		this.application.queues().send(this.queue, "x");
		Await.until("it is being handled", () -> first.get() == 1);
		try (CapturedLog log = new CapturedLog()) {
			this.database.jdbc().sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL").update();
			Await.until("it was delivered again", () -> this.handled.size() == 1);
			this.gate.countDown();
			Await.until("the loss was reported", () -> this.application.events().leaseLost(this.queue) == 1);
			assertThat(log.lines(Level.WARN)).hasSize(2)
				.anyMatch((line) -> line.contains("was declared dead") && line.contains("Registering anew"))
				.anyMatch((line) -> line.contains("was taken from this process"));
		}
		assertThat(this.handled.values()).containsExactly(List.of(2, 1));
		Await.until("the second delivery was acknowledged", () -> this.application.events().completed(this.queue) == 1);
		this.application.queues().send(this.queue, "goes on");
		Await.until("the container goes on", () -> this.application.events().completed(this.queue) == 2);
	}

	@Test
	void anIdleProcessThatWasDeclaredDeadByMistakeGoesOn() {
		this.application.handle(options().build(), this::handle).start();
		this.application.queues().send(this.queue, "first");
		Await.until("it is acknowledged", () -> this.application.events().completed(this.queue) == 1);
		this.database.jdbc().sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL").update();
		this.application.queues().send(this.queue, "x");
		Await.until("it was handled", () -> this.handled.size() == 2);
		assertThat(this.handled.values()).containsExactly(List.of(1), List.of(1));
	}

	@Test
	void aProcessThatStartsUnderTheNameOfAnEndedOneTakesItsMessagesBackAtOnce() throws SQLException {
		this.application.queues().send(this.queue, "x");
		try (Connection connection = this.database.directDataSource().getConnection()) {
			assertThat(claim(registerWorker(connection, "again"), 1)).isOne();
		}
		long started = System.nanoTime();
		try (TestApplication again = TestApplication.builder(this.database).instance("again").build()) {
			again.handle(options().build(), this::handle).start();
			Await.until("it was handled", () -> this.handled.size() == 1);
		}
		assertThat(Duration.ofNanos(System.nanoTime() - started)).as("the lease timeout is 30 s")
			.isLessThan(Duration.ofSeconds(15));
		assertThat(this.handled.values()).containsExactly(List.of(2));
	}

	@Test
	void aProcessOfTheSameNameThatIsConnectedKeepsWhatItHolds() throws SQLException {
		this.application.queues().sendAll(this.queue, List.of("held", "free"));
		try (Connection connection = this.database.directDataSource().getConnection();
				TestApplication twin = TestApplication.builder(this.database).instance("twin").build()) {
			long worker = registerWorker(connection, "twin");
			assertThat(claim(worker, 1)).isOne();
			twin.handle(options().build(), this::handle).start();
			Await.until("the other was handled", () -> this.handled.size() == 1);
			assertThat(this.database.jdbc()
				.sql("SELECT count(*) FROM pgqueue.worker w JOIN pgqueue.lease l ON l.worker_id = w.id"
						+ " WHERE w.id = ? AND w.dead_at IS NULL")
				.param(worker)
				.query(Integer.class)
				.single()).isOne();
		}
	}

	@Test
	void aCleanStopLeavesNoWorkerBehind() {
		this.application.handle(options().build(), this::handle).start();
		this.application.queues().send(this.queue, "x");
		Await.until("it was handled", () -> this.handled.size() == 1);
		this.application.close();
		assertThat(this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.worker WHERE dead_at IS NULL AND instance = 'test'")
			.query(Integer.class)
			.single()).isZero();
	}

	private ContainerOptions.Builder options() {
		return TestApplication.options(this.queue);
	}

	private void handle(QueueMessage<String> message) {
		this.handled.computeIfAbsent(message.id(), (id) -> new CopyOnWriteArrayList<>()).add(message.attempt());
	}

	private long registerWorker() {
		return this.database.jdbc().sql("SELECT pgqueue.register_worker('dies')").query(Long.class).single();
	}

	private static long registerWorker(Connection connection, String instance) {
		return JdbcClient.create(new SingleConnectionDataSource(connection, true))
			.sql("SELECT pgqueue.register_worker(?)")
			.param(instance)
			.query(Long.class)
			.single();
	}

	private int claim(long worker, int limit) {
		return JdbcClient.create(this.database.directDataSource())
			.sql("SELECT c.id FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id "
					+ "CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, s.id, ?, 1000000, '-infinity') c "
					+ "WHERE q.name = ? AND c.id IS NOT NULL")
			.param(worker)
			.param(limit)
			.param(this.queue)
			.query()
			.listOfRows()
			.size();
	}

	private long beats() {
		return this.database.jdbc()
			.sql("SELECT (extract(epoch FROM max(beat_at)) * 1000000)::bigint FROM pgqueue.heartbeat h "
					+ "WHERE EXISTS (SELECT 1 FROM pgqueue.lease l WHERE l.worker_id = h.worker_id)")
			.query(Long.class)
			.single();
	}

}
