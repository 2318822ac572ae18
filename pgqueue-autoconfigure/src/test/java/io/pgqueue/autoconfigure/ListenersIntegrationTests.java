package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.QueueOperations;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.listener.QueueListenerContainer;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import org.springframework.aop.support.AopUtils;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.SmartLifecycle;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Lazy;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class ListenersIntegrationTests {

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	ListenersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.quickRunner(database);
	}

	@Test
	void listenersStartThoughEverythingIsLazy() {
		try (ConfigurableApplicationContext context = Applications.start(this.database, LazyApplication.class,
				"spring.main.lazy-initialization=true", "inbox.queue=lazy",
				"pgqueue.queues.lazy-entry.concurrency=1")) {
			assertThat(context.getBeanFactory().containsSingleton("jdbcClient")).as("others are lazy").isFalse();
			assertThat(new QueueAdmin(this.database.dataSource(), TestDatabase.SCHEMA).queues()).contains("lazy",
					"lazy-bean", "lazy-entry");
			Inbox inbox = (Inbox) context.getBeanFactory().getSingleton("inbox");
			assertThat(inbox).as("the listener that nobody asked for").isNotNull();
			context.getBean(QueueOperations.class).send("lazy", "hello");
			Await.until("it has arrived", () -> inbox.received().contains("hello"));
		}
	}

	@Test
	void aListenerThatIsLazyItselfStartsWhenSomebodyAsksForIt() {
		this.application.withUserConfiguration(LazyBeans.class).run((context) -> {
			QueueListenerRegistry registry = context.getBean(QueueListenerRegistry.class);
			assertThat(registry.containers()).isEmpty();
			context.getBean(QueueAdmin.class).declare(new Queue("inbox"));
			context.getBean(QueueOperations.class).send("inbox", "early");
			Inbox inbox = context.getBean(Inbox.class);
			Await.until("it has arrived", () -> inbox.received().contains("early"));
		});
	}

	@Test
	void anIdleApplicationStopsAndLeavesNothingRunning() {
		ConfigurableApplicationContext context = idleApplication();
		Await.until("signs of life and notifications have their connections", () -> connectionsOutsideThePool() == 2);
		context.close();
		assertNoThreads();
		Await.until("their connections are closed", () -> connectionsOutsideThePool() == 0);
	}

	@Test
	void anApplicationThatOnlySendsKeepsNoConnectionOutsideThePool() {
		this.application.withPropertyValues("pgqueue.queues.only-sent.concurrency=1").run((context) -> {
			context.getBean(QueueOperations.class).send("only-sent", "hello");
			Await.until("those of the start are closed", () -> connectionsOutsideThePool() == 0);
			assertThat(threads()).containsExactly("pgqueue-notifier");
		});
		assertNoThreads();
	}

	@Test
	void anIdleApplicationStopsInLessThanASecond() {
		// The best of some, because the machine may be busy.
		Await.until("one was quick enough", Duration.ofMinutes(1), () -> {
			ConfigurableApplicationContext context = idleApplication();
			long started = System.nanoTime();
			context.close();
			return System.nanoTime() - started < Duration.ofSeconds(1).toNanos();
		});
	}

	@Test
	void anApplicationThatFailsToStartLeavesNothingRunning() {
		this.application.withUserConfiguration(Inbox.class, Broken.class)
			.withPropertyValues("inbox.queue=broken")
			.run((context) -> assertThat(context).hasFailed());
		assertNoThreads();
	}

	@Test
	void aContextMayBeStoppedAndStartedAnyNumberOfTimes() {
		this.application.withUserConfiguration(Inbox.class).withPropertyValues("inbox.queue=again").run((context) -> {
			QueueOperations queues = context.getBean(QueueOperations.class);
			Inbox inbox = context.getBean(Inbox.class);
			for (int round = 1; round <= 3; round++) {
				String during = "during " + round;
				queues.send("again", during);
				Await.until("it has arrived", () -> inbox.received().contains(during));
				context.getSourceApplicationContext().stop();
				assertThat(context.getBean(QueueListenerRegistry.class).container("inbox").isRunning()).isFalse();
				String between = "between " + round;
				queues.send("again", between);
				assertThat(inbox.received()).doesNotContain(between);
				context.getSourceApplicationContext().start();
				Await.until("it has arrived after the start", () -> inbox.received().contains(between));
			}
			assertThat(inbox.received()).hasSize(6);
		});
	}

	@Test
	void twoContextsInOneProcessShareTheWork() {
		ApplicationContextRunner both = this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("inbox.queue=shared", "pgqueue.listener.batch-size=5");
		both.run((one) -> both.run((two) -> {
			List<String> sent = IntStream.range(0, 300).mapToObj(String::valueOf).toList();
			one.getBean(QueueOperations.class).sendAll("shared", sent);
			Inbox first = one.getBean(Inbox.class);
			Inbox second = two.getBean(Inbox.class);
			Await.until("all have arrived", () -> first.received().size() + second.received().size() >= sent.size());
			List<String> all = new ArrayList<>(first.received());
			all.addAll(second.received());
			assertThat(all).containsExactlyInAnyOrderElementsOf(sent);
		}));
		this.application.withUserConfiguration(Inbox.class).withPropertyValues("inbox.queue=shared").run((context) -> {
			context.getBean(QueueOperations.class).send("shared", "later");
			Await.until("a third context goes on", () -> context.getBean(Inbox.class).received().contains("later"));
		});
	}

	@Test
	void aTransactionalServiceListensInItsOwnTransactions() {
		this.application.withUserConfiguration(TransactionalService.class)
			.withPropertyValues("pgqueue.retry.initial=5ms")
			.run((context) -> {
				TransactionalService service = context.getBean(TransactionalService.class);
				assertThat(AopUtils.isCglibProxy(service)).isTrue();
				context.getBean(TransactionTemplate.class).executeWithoutResult((status) -> {
					context.getBean(QueueOperations.class).send("service", "first");
					context.getBean(QueueOperations.class).send("service", "second fails once");
				});
				JdbcClient jdbc = context.getBean(JdbcClient.class);
				// A handler has returned before its transaction commits.
				Await.until("both were handled",
						() -> jdbc.sql("SELECT text FROM service_work ORDER BY text")
							.query(String.class)
							.list()
							.equals(List.of("first", "second fails once")));
				assertThat(service.inTransaction()).isTrue();
			});
	}

	@Test
	void aListenerBehindAnInterfaceProxyNeedsTheMethodInTheInterface() {
		this.application.withUserConfiguration(BehindInterface.class)
			.withPropertyValues("spring.aop.proxy-target-class=false")
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining("BehindInterface.on"));
	}

	@Test
	void twoListenersWithOneIdFailTheStart() {
		this.application.withUserConfiguration(Inbox.class)
			.withBean("another", Inbox.class)
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining("Two listeners have the id 'inbox'"));
	}

	@Test
	void theRegistryStopsAndStartsOneListener() {
		this.application.withUserConfiguration(Inbox.class).withPropertyValues("inbox.queue=one").run((context) -> {
			QueueListenerContainer container = context.getBean(QueueListenerRegistry.class).container("inbox");
			assertThat(container.isRunning()).isTrue();
			container.stop();
			context.getBean(QueueOperations.class).send("one", "hello");
			assertThat(context.getBean(Inbox.class).received()).isEmpty();
			container.start();
			Await.until("it has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
		});
	}

	private ConfigurableApplicationContext idleApplication() {
		ConfigurableApplicationContext context = Applications.start(this.database, InboxApplication.class,
				"inbox.queue=idle");
		context.getBean(QueueOperations.class).send("idle", "hello");
		Await.until("it has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
		Await.until("nothing is in hand", () -> left() == 0);
		return context;
	}

	private long connectionsOutsideThePool() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = ? AND application_name = 'pgqueue'")
			.param(this.database.name())
			.query(Long.class)
			.single();
	}

	private long left() {
		return this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
			.query(Long.class)
			.single();
	}

	private static void assertNoThreads() {
		Await.until("its threads have ended", () -> threads().isEmpty());
	}

	private static List<String> threads() {
		return Thread.getAllStackTraces()
			.keySet()
			.stream()
			.map(Thread::getName)
			.filter((name) -> name.startsWith("pgqueue-"))
			.toList();
	}

	static class LazyBeans {

		@Bean
		@Lazy
		Inbox inbox() {
			return new Inbox();
		}

	}

	static class Broken implements SmartLifecycle {

		@Override
		public void start() {
			throw new IllegalStateException("This application does not start");
		}

		@Override
		public void stop() {
		}

		@Override
		public boolean isRunning() {
			return false;
		}

		@Override
		public int getPhase() {
			return Integer.MAX_VALUE;
		}

	}

	static class TransactionalService {

		private final JdbcClient jdbc;

		private boolean failed;

		private volatile boolean inTransaction;

		TransactionalService(JdbcClient jdbc) {
			this.jdbc = jdbc;
			jdbc.sql("CREATE TABLE service_work (text text)").update();
		}

		@QueueListener("service")
		@Transactional
		void on(String text) {
			this.inTransaction = TransactionSynchronizationManager.isActualTransactionActive();
			this.jdbc.sql("INSERT INTO service_work VALUES (?)").param(text).update();
			if (text.endsWith("fails once") && !this.failed) {
				this.failed = true;
				throw new IllegalStateException("once");
			}
		}

		boolean inTransaction() {
			return this.inTransaction;
		}

	}

	interface Something {

		void something();

	}

	static class BehindInterface implements Something {

		@Override
		@Transactional
		public void something() {
		}

		@QueueListener("behind")
		void on(String text) {
		}

	}

	@WholeApplication
	@Import(Inbox.class)
	static class InboxApplication {

	}

	@WholeApplication
	static class LazyApplication {

		@Bean
		Inbox inbox() {
			return new Inbox();
		}

		@Bean
		Queue lazyBean() {
			return new Queue("lazy-bean");
		}

	}

}
