package io.pgqueue.listener;

import java.time.Instant;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

import io.pgqueue.SendResult;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Sends one message and shows what a listener method got for it.
 */
@PgQueueDatabase
abstract class AbstractHandlerArguments {

	static final Shipment SHIPMENT = new Shipment("4711", Instant.parse("2026-01-02T03:04:05.678901234Z"));

	final TestApplication application;

	final String queue;

	private final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

	AbstractHandlerArguments(TestDatabase database) {
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

	Object receive(Object payload, Object bean) {
		return receive(payload, bean, new SendResult[1]);
	}

	Object receive(Object payload, Object bean, SendResult[] sent) {
		sent[0] = this.application.queues()
			.send(this.queue, payload, (options) -> options.header("tenant", "acme").header("weight", "12"));
		this.application.listen(TestApplication.options(this.queue).retryPolicy(TestApplication.ONCE).build(), bean)
			.start();
		Await.until("a message was received or given up",
				() -> !this.received.isEmpty() || this.application.events().deadLettered(this.queue) == 1);
		Object argument = this.received.poll();
		assertThat(argument).as("argument; failures: %s", this.application.events().failures()).isNotNull();
		Await.until("it was acknowledged", () -> this.application.events().completed(this.queue) == 1);
		return argument;
	}

	class Base {

		void add(Object argument) {
			AbstractHandlerArguments.this.received.add(argument);
		}

	}

	record Shipment(String id, Instant at) {
	}

}
