package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;

import io.pgqueue.ReceivedMessage;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;

/**
 * A queue, an application that sends to it, and a receiver.
 */
abstract class AbstractReceiving {

	static final Duration LONG = Duration.ofMinutes(5);

	final TestDatabase database;

	final TestApplication application;

	final String queue;

	final RecordedEvents events = new RecordedEvents();

	final QueueReceiver receiver;

	AbstractReceiving(TestDatabase database) {
		this.database = database;
		this.application = TestApplication.on(database);
		this.queue = this.application.declareQueue();
		this.receiver = QueueReceiver.builder(database.dataSource()).events(this.events).maxAttempts(3).build();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
	}

	void send(int count) {
		this.application.queues().sendAll(this.queue, IntStream.range(0, count).mapToObj(String::valueOf).toList());
	}

	List<ReceivedMessage<String>> receive(int max) {
		return receive(max, LONG);
	}

	List<ReceivedMessage<String>> receive(int max, Duration timeout) {
		return this.receiver.receive(this.queue, String.class, max, timeout);
	}

	/**
	 * Lets the time of everything that is held pass.
	 */
	void expire() {
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() "
					+ "WHERE subscription_id = (SELECT s.id FROM pgqueue.subscription s JOIN pgqueue.queue q "
					+ "ON q.id = s.queue_id WHERE q.name = ?)")
			.param(this.queue)
			.update();
	}

	void expireAllBut(ReceivedMessage<String> extended) {
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp() WHERE id <> ?")
			.param(extended.message().id())
			.update();
	}

	int held() {
		return count("lease") + count("retry");
	}

	int pulls() {
		return count("pulled");
	}

	int count(String table) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table + " WHERE subscription_id = (SELECT s.id FROM "
					+ "pgqueue.subscription s JOIN pgqueue.queue q ON q.id = s.queue_id WHERE q.name = ?)")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	int deadLetters() {
		return this.application.admin().deadLetters(this.queue, 10).size();
	}

	long nextTransactionId() {
		return this.database.jdbc()
			.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
			.query(Long.class)
			.single();
	}

}
