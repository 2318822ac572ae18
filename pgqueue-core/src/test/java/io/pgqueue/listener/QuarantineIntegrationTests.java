package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Messages with which two processes in a row have died are in hand one at a time, others
 * as many as there is room for.
 */
@PgQueueDatabase
class QuarantineIntegrationTests {

	private final TestDatabase database;

	private final TestApplication application;

	private final String queue;

	private final Set<Object> handled = ConcurrentHashMap.newKeySet();

	private final AtomicInteger suspects = new AtomicInteger();

	private final AtomicInteger mostSuspects = new AtomicInteger();

	private final AtomicInteger others = new AtomicInteger();

	private final AtomicInteger mostOthers = new AtomicInteger();

	QuarantineIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
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
	void suspectsAreInHandOneAtATimeAndTheOthersGoOn() {
		send("suspect", 6);
		haveProcessesDie(2);
		assertThat(attempts()).containsOnly(2);
		send("other", 20);
		listen();
		Await.until("all are handled", () -> this.handled.size() == 26);
		assertThat(this.mostSuspects).hasValue(1);
		assertThat(this.mostOthers).hasValueGreaterThan(1);
	}

	@Test
	void afterASingleDeathNobodyIsKeptApart() {
		send("suspect", 8);
		haveProcessesDie(1);
		assertThat(attempts()).containsOnly(1);
		listen();
		Await.until("all are handled", () -> this.handled.size() == 8);
		assertThat(this.mostSuspects).hasValueGreaterThan(1);
	}

	@Test
	void handingSuspectsBackCostsNoAttempt() {
		send("suspect", 6);
		haveProcessesDie(2);
		AtomicInteger most = new AtomicInteger();
		this.application.handle(options(), (message) -> {
			most.accumulateAndGet(message.attempt(), Math::max);
			this.handled.add(message.payload());
			TimeUnit.MILLISECONDS.sleep(100);
		}).start();
		Await.until("all are handled", () -> this.handled.size() == 6);
		assertThat(most).hasValue(3);
	}

	private ContainerOptions options() {
		return TestApplication.options(this.queue).concurrency(4).build();
	}

	private void listen() {
		this.application.handle(options(), (message) -> {
			boolean suspect = message.payload().startsWith("suspect");
			AtomicInteger now = suspect ? this.suspects : this.others;
			(suspect ? this.mostSuspects : this.mostOthers).accumulateAndGet(now.incrementAndGet(), Math::max);
			TimeUnit.NANOSECONDS.sleep(Duration.ofMillis(50).toNanos());
			now.decrementAndGet();
			this.handled.add(message.payload());
		}).start();
	}

	private void send(String name, int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).mapToObj((i) -> name + i).toList());
	}

	private void haveProcessesDie(int times) {
		for (int i = 0; i < times; i++) {
			long worker = this.database.jdbc().sql("SELECT pgqueue.register_worker('dead')").query(Long.class).single();
			this.database.jdbc()
				.sql("SELECT count(*) FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id "
						+ "CROSS JOIN LATERAL pgqueue.claim(?, 1, q.id, s.id, 100, 1000000, '-infinity') WHERE q.name = ?")
				.params(worker, this.queue)
				.query(Long.class)
				.single();
			this.database.jdbc().sql("SELECT pgqueue.sign_off(?)").param(worker).query().listOfRows();
			this.database.jdbc().sql("SELECT pgqueue.recover(?, 100)").param(worker).query(Integer.class).single();
		}
	}

	private List<Integer> attempts() {
		return this.database.jdbc()
			.sql("SELECT r.attempts FROM pgqueue.retry r JOIN pgqueue.queue q ON q.id = r.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.list();
	}

}
