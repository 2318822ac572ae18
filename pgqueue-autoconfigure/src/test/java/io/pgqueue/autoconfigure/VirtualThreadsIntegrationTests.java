package io.pgqueue.autoconfigure;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;

import io.pgqueue.QueueOperations;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import org.springframework.boot.test.context.runner.ApplicationContextRunner;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Runs on a JDK that has virtual threads.
 */
@PgQueueDatabase
@Tag("jdk21")
class VirtualThreadsIntegrationTests {

	private final ApplicationContextRunner application;

	VirtualThreadsIntegrationTests(TestDatabase database) {
		this.application = Applications.runner(database)
			.withUserConfiguration(Meeting.class)
			.withPropertyValues("pgqueue.listener.concurrency=50");
	}

	@Test
	void handlersRunOnVirtualThreadsIfBootDoes() {
		this.application.withPropertyValues("spring.threads.virtual.enabled=true")
			.run((context) -> assertThat(met(context.getBean(QueueOperations.class), context.getBean(Meeting.class)))
				.hasSize(50)
				.containsValue(true)
				.doesNotContainValue(false));
	}

	@Test
	void handlersRunOnPlatformThreadsOtherwise() {
		this.application
			.run((context) -> assertThat(met(context.getBean(QueueOperations.class), context.getBean(Meeting.class)))
				.hasSize(50)
				.containsValue(false)
				.doesNotContainValue(true));
	}

	private static Map<String, Boolean> met(QueueOperations queues, Meeting meeting) {
		queues.sendAll("meeting", IntStream.range(0, 50).mapToObj(String::valueOf).toList());
		Await.until("all have met", () -> meeting.virtual.size() == 50);
		return meeting.virtual;
	}

	static class Meeting {

		private final CountDownLatch together = new CountDownLatch(50);

		private final Map<String, Boolean> virtual = new ConcurrentHashMap<>();

		@QueueListener("meeting")
		void on(String text) throws Exception {
			this.together.countDown();
			this.together.await();
			this.virtual.put(text, (Boolean) Thread.class.getMethod("isVirtual").invoke(Thread.currentThread()));
		}

	}

}
