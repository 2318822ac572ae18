package io.pgqueue.autoconfigure;

import java.io.IOException;

import io.pgqueue.QueueOperations;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgBouncer;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationLifecycle;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.ApplicationContext;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Applications whose DataSource leads through a pooler. Idle queues are looked into every
 * ten minutes, as long as notifications arrive.
 */
@PgQueueDatabase
@Tag("system")
@ExtendWith(OutputCaptureExtension.class)
class PgBouncerIntegrationTests {

	private final TestDatabase database;

	private PgBouncer pooler;

	PgBouncerIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeEach
	void start() throws IOException {
		this.pooler = new PgBouncer(this.database);
	}

	@AfterEach
	void stop() throws IOException {
		this.pooler.close();
	}

	@Test
	void anApplicationBehindAPoolerPolls(CapturedOutput output) {
		application().run((context) -> {
			Await.until("it was noticed", () -> state(context) == State.SILENT);
			context.getBean(QueueOperations.class).send("inbox", "polled");
			Await.until("it has arrived", () -> context.getBean(Inbox.class).received().contains("polled"));
		});
		assertThat(output.getOut().lines().filter((line) -> line.contains("WARN"))).singleElement()
			.asString()
			.contains("PgBouncer", "pgqueue.direct.url");
	}

	@Test
	void anUrlThatLeadsPastThePoolerBringsNotificationsBack() {
		ApplicationContextRunner direct = application()
			.withPropertyValues("pgqueue.direct.url=" + this.database.jdbcUrl());
		direct.run((context) -> {
			Await.until("notifications arrive", () -> state(context) == State.ARRIVING);
			application().withPropertyValues("inbox.queue=elsewhere").run((other) -> {
				other.getBean(QueueOperations.class).send("inbox", "woken");
				Await.until("it has arrived", () -> context.getBean(Inbox.class).received().contains("woken"));
			});
		});
	}

	private ApplicationContextRunner application() {
		return Applications.runner(this.database)
			.withUserConfiguration(Inbox.class)
			.withPropertyValues("spring.datasource.url=" + this.pooler.jdbcUrl(), "pgqueue.notify.poll-interval=10m");
	}

	private static State state(ApplicationContext context) {
		return context.getBean(NotificationLifecycle.class).state();
	}

}
