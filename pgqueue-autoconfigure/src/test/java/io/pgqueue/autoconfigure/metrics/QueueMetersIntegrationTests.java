package io.pgqueue.autoconfigure.metrics;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueOperations;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.autoconfigure.Applications;
import io.pgqueue.autoconfigure.Inbox;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.micrometer.metrics.autoconfigure.CompositeMeterRegistryAutoConfiguration;
import org.springframework.boot.micrometer.metrics.autoconfigure.MetricsAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

@PgQueueDatabase
class QueueMetersIntegrationTests {

	private final TestDatabase database;

	private final ApplicationContextRunner plain;

	private final ApplicationContextRunner application;

	QueueMetersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.plain = Applications.quickRunner(database)
			.withConfiguration(AutoConfigurations.of(PgQueueMetricsAutoConfiguration.class))
			.withPropertyValues("pgqueue.retry.initial=5ms", "pgqueue.retry.max-attempts=3");
		this.application = this.plain.withBean(SimpleMeterRegistry.class);
	}

	@Test
	void countsWhatHappensToMessages() {
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			MeterRegistry registry = context.getBean(MeterRegistry.class);
			queues.sendAll("inbox", List.of("one", "two", "three"));
			queues.send("inbox", "fail");
			Await.until("all was counted",
					() -> count(registry, "pgqueue.completed") == 3 && count(registry, "pgqueue.dead") == 1);
			assertThat(counter(registry, "pgqueue.sent", "inbox", "none", "none").count()).isEqualTo(4);
			assertThat(counter(registry, "pgqueue.completed", "inbox", "default", "none").count()).isEqualTo(3);
			assertThat(counter(registry, "pgqueue.failed", "inbox", "default", "IllegalStateException").count())
				.isEqualTo(3);
			assertThat(counter(registry, "pgqueue.dead", "inbox", "default", "none").count()).isOne();
		});
	}

	@Test
	void allCountersHaveTheSameKeys() {
		this.application.withUserConfiguration(Inbox.class, TakenAway.class).run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			MeterRegistry registry = context.getBean(MeterRegistry.class);
			queues.send("inbox", "fail");
			queues.send("taken-away", "hello");
			queues.send("inbox", "too late", (options) -> options.timeToLive(Duration.ofNanos(1)));
			TakenAway takenAway = context.getBean(TakenAway.class);
			takenAway.started.await();
			declareAllWorkersDead();
			takenAway.end.countDown();
			Await.until("all kinds were counted",
					() -> meters(registry).keySet()
						.containsAll(Set.of("pgqueue.sent", "pgqueue.completed", "pgqueue.failed", "pgqueue.dead",
								"pgqueue.lease.lost", "pgqueue.expired")));
			Map<String, Set<String>> meters = meters(registry);
			assertThat(meters).containsEntry("pgqueue.notifications.arriving", Set.of());
			meters.remove("pgqueue.notifications.arriving");
			assertThat(meters).hasSize(6).values().containsOnly(Set.of("queue", "subscription", "exception"));
			assertThat(counter(registry, "pgqueue.expired", "inbox", "default", "none").count()).isOne();
			assertThat(counter(registry, "pgqueue.lease.lost", "taken-away", "default", "none").count()).isOne();
		});
	}

	@Test
	void showsWhetherNotificationsArrive() {
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			MeterRegistry registry = context.getBean(MeterRegistry.class);
			Await.until("notifications arrive",
					() -> registry.get("pgqueue.notifications.arriving").gauge().value() == 1);
		});
		this.application.withPropertyValues("pgqueue.queues.unheard.concurrency=1")
			.run((context) -> assertThat(
					context.getBean(MeterRegistry.class).get("pgqueue.notifications.arriving").gauge().value())
				.as("nobody listens to anything")
				.isZero());
	}

	@Test
	void countsOnlyWhatIsCommitted() {
		this.application.withPropertyValues("pgqueue.queues.committed.concurrency=1").run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			TransactionTemplate transaction = context.getBean(TransactionTemplate.class);
			MeterRegistry registry = context.getBean(MeterRegistry.class);
			assertThatIllegalStateException().isThrownBy(() -> transaction.executeWithoutResult((status) -> {
				queues.send("committed", "never");
				throw new IllegalStateException("roll back");
			}));
			transaction.executeWithoutResult((status) -> {
				queues.send("committed", "one");
				queues.sendAll("committed", List.of("two", "three"));
				assertThat(count(registry, "pgqueue.sent")).isZero();
			});
			assertThat(count(registry, "pgqueue.sent")).isEqualTo(3);
		});
	}

	@Test
	void listenersOfTheApplicationAreToldAsWell() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("inbox.queue=told")
			.withBean("first", Recorder.class)
			.withBean("second", Recorder.class)
			.run((context) -> {
				context.getBean(QueueOperations.class).send("told", "hello");
				for (Recorder recorder : context.getBeansOfType(Recorder.class).values()) {
					Await.until("it was told", () -> recorder.events.equals(List.of("sent told 1", "completed told")));
				}
				Await.until("it was counted",
						() -> count(context.getBean(MeterRegistry.class), "pgqueue.completed") == 1);
			});
	}

	@Test
	void worksWithTheRegistriesThatBootCombines() {
		this.plain
			.withConfiguration(AutoConfigurations.of(MetricsAutoConfiguration.class,
					CompositeMeterRegistryAutoConfiguration.class))
			.withBean("one", SimpleMeterRegistry.class)
			.withBean("two", SimpleMeterRegistry.class)
			.withPropertyValues("pgqueue.queues.combined.concurrency=1")
			.run((context) -> {
				context.getBean(QueueOperations.class).send("combined", "hello");
				assertThat(context.getBean("one", MeterRegistry.class).get("pgqueue.sent").counter().count()).isOne();
				assertThat(context.getBean("two", MeterRegistry.class).get("pgqueue.sent").counter().count()).isOne();
			});
	}

	@Test
	void countsNothingWithoutARegistry() {
		this.plain.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(QueueEventListener.class));
	}

	private void declareAllWorkersDead() {
		List<Long> workers = this.database.jdbc()
			.sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL RETURNING id")
			.query(Long.class)
			.list();
		for (Long worker : workers) {
			this.database.jdbc().sql("SELECT pgqueue.recover(?, 1000)").param(worker).query(Integer.class).single();
		}
	}

	private static double count(MeterRegistry registry, String name) {
		return registry.find(name).counters().stream().mapToDouble(Counter::count).sum();
	}

	private static Counter counter(MeterRegistry registry, String name, String queue, String subscription,
			String exception) {
		return registry.get(name)
			.tag("queue", queue)
			.tag("subscription", subscription)
			.tag("exception", exception)
			.counter();
	}

	private static Map<String, Set<String>> meters(MeterRegistry registry) {
		Map<String, Set<String>> keys = new ConcurrentHashMap<>();
		for (Meter meter : registry.getMeters()) {
			Set<String> own = meter.getId().getTags().stream().map(Tag::getKey).collect(Collectors.toSet());
			keys.merge(meter.getId().getName(), own, (one, two) -> one.equals(two) ? one : Set.of("different"));
		}
		return keys;
	}

	static class TakenAway {

		private final CountDownLatch started = new CountDownLatch(1);

		private final CountDownLatch end = new CountDownLatch(1);

		@QueueListener("taken-away")
		void on(String text) throws InterruptedException {
			this.started.countDown();
			this.end.await();
		}

	}

	static class Recorder implements QueueEventListener {

		private final List<String> events = new CopyOnWriteArrayList<>();

		@Override
		public void sent(String queue, long count) {
			this.events.add("sent " + queue + " " + count);
		}

		@Override
		public void completed(String queue, String subscription) {
			this.events.add("completed " + queue);
		}

	}

}
