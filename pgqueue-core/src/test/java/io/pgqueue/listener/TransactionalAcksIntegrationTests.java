package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;

import javax.sql.DataSource;

import ch.qos.logback.classic.Level;
import io.pgqueue.AckMode;
import io.pgqueue.BatchFailedException;
import io.pgqueue.BatchResult;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.aop.support.AopUtils;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.resilience.annotation.EnableResilientMethods;
import org.springframework.resilience.annotation.Retryable;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Isolation;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class TransactionalAcksIntegrationTests {

	private final TestDatabase database;

	private AnnotationConfigApplicationContext context;

	private TestApplication application;

	private Work work;

	private String queue;

	TransactionalAcksIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE effect (message bigint, attempt integer)").update();
	}

	@BeforeEach
	void start() {
		this.database.jdbc().sql("TRUNCATE effect").update();
		this.context = new AnnotationConfigApplicationContext();
		DataSource pool = this.database.pool((config) -> {
		});
		this.context.registerBean(DataSource.class, () -> pool);
		this.context.register(Transactions.class, Work.class, Plain.class, New.class, Serializable.class, OnClass.class,
				Jakarta.class, Again.class, Stubborn.class, ReadOnly.class, Future.class, Final.class, Batch.class,
				ThrowingBatch.class);
		this.context.refresh();
		this.work = this.context.getBean(Work.class);
		this.application = TestApplication.builder(this.database)
			.pooled(pool)
			.timeout(Duration.ofSeconds(2))
			.beans(this.context.getBeanFactory())
			.build();
		this.queue = this.application.declareQueue();
	}

	@AfterEach
	void close() {
		this.application.close();
		this.context.close();
	}

	@ParameterizedTest
	@ValueSource(classes = { Plain.class, New.class, Serializable.class, OnClass.class, Jakarta.class })
	void theAcknowledgementCommitsWithTheHandlersWork(Class<?> handler) {
		listen(handler, AckMode.AUTO);
		sendAndAwait(20);
		assertThat(this.work.leasesAfterCommit).as("leases left when the transaction had committed")
			.hasSize(20)
			.containsOnly(0);
		assertThat(effects()).isEqualTo(20);
		assertThat(leases()).isZero();
	}

	@Test
	void theContainersTransactionAcknowledgesToo() {
		listen(Plain.class, AckMode.TRANSACTIONAL);
		sendAndAwait(20);
		assertThat(this.work.leasesAfterCommit).hasSize(20).containsOnly(0);
	}

	@ParameterizedTest
	@ValueSource(strings = { "AUTO", "TRANSACTIONAL" })
	void aFailedAttemptLeavesNoEffectAndTheNextExactlyOne(AckMode mode) {
		this.work.failures.set(2);
		listen(Plain.class, mode);
		sendAndAwait(1);
		assertThat(attempts()).containsExactly(3);
		assertThat(this.application.events().failed(this.queue)).isEqualTo(2);
	}

	@ParameterizedTest
	@ValueSource(strings = { "AUTO", "TRANSACTIONAL" })
	void aLostLeaseRollsTheEffectsBackAndTheOtherDeliveryStands(AckMode mode) {
		this.work.loseLease = true;
		listen(Plain.class, mode);
		send(1);
		Await.until("the other delivery is done", () -> effects() == 1 && leases() == 0 && retries() == 0);
		assertThat(attempts()).containsExactly(2);
		Await.until("the loss is counted", () -> this.application.events().leaseLost(this.queue) == 1);
		assertThat(this.application.events().failed(this.queue)).isZero();
	}

	@Test
	void aRetryableTransactionalHandlerCommitsWithItsLastTry() {
		this.work.failures.set(2);
		listen(Again.class, AckMode.AUTO);
		sendAndAwait(1);
		assertThat(attempts()).as("one delivery, three tries").containsExactly(1);
		assertThat(this.application.events().failed(this.queue)).isZero();
		assertThat(this.work.leasesAfterCommit).containsExactly(0);
	}

	@Test
	void workAndAcknowledgementStandWhenTheRulesCommitInSpiteOfAnException() {
		this.work.failures.set(1);
		listen(Stubborn.class, AckMode.AUTO);
		sendAndAwait(1);
		Await.until("the failure is counted", () -> this.application.events().failed(this.queue) == 1);
		assertThat(attempts()).containsExactly(1);
		assertThat(leases() + retries() + deadLetters()).isZero();
	}

	@Test
	void aReadOnlyTransactionDoesNotAcknowledge() {
		try (CapturedLog log = new CapturedLog()) {
			listen(ReadOnly.class, AckMode.AUTO);
			assertThat(log.lines(Level.WARN)).singleElement()
				.asString()
				.contains("ReadOnly.on", "read-only", "at least once");
		}
		sendAndAwait(3);
		assertThat(leases()).isZero();
	}

	@Test
	void whatCannotWorkIsRefusedAtStart() {
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> listen(Future.class, AckMode.AUTO))
			.withMessageContaining("CompletableFuture");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> listen(Final.class, AckMode.AUTO))
			.withMessageContaining("final");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> ContainerOptions.builder("id", "queue").ackMode(AckMode.TRANSACTIONAL).build())
			.withMessageContaining("transaction manager");
	}

	@ParameterizedTest
	@ValueSource(strings = { "AUTO", "TRANSACTIONAL" })
	void aBatchResultAcknowledgesTheRestWithTheWork(AckMode mode) {
		this.work.failures.set(1);
		this.application.queues().sendAll(this.queue, payloads(10));
		listen(Batch.class, mode);
		this.application.start();
		Await.until("all are done", () -> this.application.events().completed(this.queue) == 10);
		assertThat(effects()).as("nine, and one again").isEqualTo(10);
		assertThat(this.work.leasesAfterCommit.get(0)).as("the lease shrank with the commit").isEqualTo(1);
		assertThat(this.application.events().failed(this.queue)).isEqualTo(1);
		assertThat(attempts()).containsOnly(1, 2);
	}

	@Test
	void anExceptionThatNamesFailedMessagesRollsTheBatchBackAndChargesOnlyThem() {
		this.work.failures.set(1);
		this.application.queues().sendAll(this.queue, payloads(10));
		listen(ThrowingBatch.class, AckMode.AUTO);
		this.application.start();
		Await.until("all are done", () -> this.application.events().completed(this.queue) == 10);
		assertThat(effects()).isEqualTo(10);
		assertThat(this.application.events().failed(this.queue)).isEqualTo(1);
		assertThat(attempts().stream().filter((attempt) -> attempt == 1)).hasSize(9);
		assertThat(attempts().stream().filter((attempt) -> attempt == 2)).hasSize(1);
	}

	@Test
	void parallelHandlersHaveLeasesOfTheirOwn() {
		this.work.pauseMillis = 5;
		listen(Plain.class, AckMode.AUTO, 8);
		sendAndAwait(200);
		assertThat(effects()).isEqualTo(200);
		assertThat(this.work.leasesAfterCommit).hasSize(200).containsOnly(0);
	}

	private void listen(Class<?> handler, AckMode mode) {
		listen(handler, mode, 1);
	}

	private void listen(Class<?> handler, AckMode mode, int concurrency) {
		Object bean = this.context.getBean(handler);
		Method method = Arrays.stream(AopProxyUtils.ultimateTargetClass(bean).getDeclaredMethods())
			.filter((candidate) -> candidate.getName().equals("on") && !candidate.isSynthetic())
			.findFirst()
			.orElseThrow();
		ContainerOptions.Builder options = TestApplication.options(this.queue).ackMode(mode).concurrency(concurrency);
		if (mode == AckMode.TRANSACTIONAL) {
			options.transactionManager(this.context.getBean(PlatformTransactionManager.class));
		}
		this.application.listen(options.build(), bean, AopUtils.selectInvocableMethod(method, bean.getClass()));
	}

	private void send(int count) {
		this.application.queues().sendAll(this.queue, payloads(count));
		this.application.start();
	}

	private void sendAndAwait(int count) {
		send(count);
		Await.until("all are done", () -> this.application.events().completed(this.queue) == count);
	}

	private static List<String> payloads(int count) {
		return IntStream.range(0, count).mapToObj(String::valueOf).toList();
	}

	private int effects() {
		return count("effect");
	}

	private int leases() {
		return count("pgqueue.lease");
	}

	private int retries() {
		return count("pgqueue.retry");
	}

	private int deadLetters() {
		return count("pgqueue.dead_letter");
	}

	private int count(String table) {
		return this.database.jdbc().sql("SELECT count(*) FROM " + table).query(Integer.class).single();
	}

	private List<Integer> attempts() {
		return this.database.jdbc().sql("SELECT attempt FROM effect").query(Integer.class).list();
	}

	@Configuration(proxyBeanMethods = false)
	@EnableTransactionManagement(proxyTargetClass = true)
	@EnableResilientMethods
	static class Transactions {

		@Bean
		JdbcTransactionManager transactionManager(DataSource dataSource) {
			return new JdbcTransactionManager(dataSource);
		}

	}

	/**
	 * What every handler does: one row, in the transaction of the thread.
	 */
	static class Work {

		final List<Integer> leasesAfterCommit = new CopyOnWriteArrayList<>();

		final AtomicInteger failures = new AtomicInteger();

		volatile boolean loseLease;

		volatile int pauseMillis;

		private final JdbcClient jdbc;

		Work(DataSource dataSource) {
			this.jdbc = JdbcClient.create(dataSource);
		}

		void handle(QueueMessage<?> message) {
			insert(message);
			watchCommit(message.id());
			if (this.loseLease) {
				this.loseLease = false;
				CompletableFuture.runAsync(this::takeLeases).join();
			}
			LockSupport.parkNanos(this.pauseMillis * 1_000_000L);
			if (this.failures.getAndDecrement() > 0) {
				throw new IllegalStateException("not this time");
			}
		}

		void insert(QueueMessage<?> message) {
			this.jdbc.sql("INSERT INTO effect (message, attempt) VALUES (?, ?)")
				.params(message.id(), message.attempt())
				.update();
		}

		void watchCommit(long id) {
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void afterCommit() {
					Work.this.leasesAfterCommit.add(CompletableFuture.supplyAsync(() -> held(id)).join());
				}

			});
		}

		private int held(long id) {
			return this.jdbc
				.sql("SELECT (SELECT count(*) FROM pgqueue.lease WHERE :id = ANY (ids))"
						+ " + (SELECT count(*) FROM pgqueue.retry WHERE id = :id AND n IS NOT NULL)")
				.param("id", id)
				.query(Integer.class)
				.single();
		}

		private void takeLeases() {
			this.jdbc.sql("UPDATE pgqueue.worker SET dead_at = now() WHERE dead_at IS NULL").update();
			this.jdbc.sql("SELECT pgqueue.recover(id, 100) FROM pgqueue.worker WHERE dead_at IS NOT NULL")
				.query(Integer.class)
				.list();
		}

	}

	static class Plain {

		private final Work work;

		Plain(Work work) {
			this.work = work;
		}

		@Transactional
		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class New {

		private final Work work;

		New(Work work) {
			this.work = work;
		}

		@Transactional(propagation = Propagation.REQUIRES_NEW)
		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Serializable {

		private final Work work;

		Serializable(Work work) {
			this.work = work;
		}

		@Transactional(isolation = Isolation.REPEATABLE_READ)
		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	@Transactional
	static class OnClass {

		private final Work work;

		OnClass(Work work) {
			this.work = work;
		}

		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Jakarta {

		private final Work work;

		Jakarta(Work work) {
			this.work = work;
		}

		@jakarta.transaction.Transactional
		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Again {

		private final Work work;

		Again(Work work) {
			this.work = work;
		}

		@Retryable(maxRetries = 3, delay = 1)
		@Transactional
		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Stubborn {

		private final Work work;

		Stubborn(Work work) {
			this.work = work;
		}

		@Transactional(noRollbackFor = IllegalStateException.class)
		public void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class ReadOnly {

		@Transactional(readOnly = true)
		public void on(QueueMessage<String> message) {
		}

	}

	static class Future {

		@Transactional
		public CompletableFuture<Void> on(QueueMessage<String> message) {
			return CompletableFuture.completedFuture(null);
		}

	}

	static class Final {

		@Transactional
		public final void on(QueueMessage<String> message) {
		}

		@Transactional
		public void other() {
		}

	}

	static class Batch {

		private final Work work;

		Batch(Work work) {
			this.work = work;
		}

		@Transactional
		public BatchResult on(List<QueueMessage<String>> messages) {
			QueueMessage<String> failing = (this.work.failures.getAndDecrement() > 0) ? messages.get(4) : null;
			messages.stream().filter((message) -> message != failing).forEach(this.work::insert);
			if (failing == null) {
				return BatchResult.SUCCESS;
			}
			this.work.watchCommit(failing.id());
			return BatchResult.SUCCESS.withFailure(failing.id(), new IllegalStateException("not this time"));
		}

	}

	static class ThrowingBatch {

		private final Work work;

		ThrowingBatch(Work work) {
			this.work = work;
		}

		@Transactional
		public void on(List<QueueMessage<String>> messages) {
			messages.forEach(this.work::insert);
			if (this.work.failures.getAndDecrement() > 0) {
				throw new BatchFailedException(
						Map.of(messages.get(4).id(), new IllegalStateException("not this time")));
			}
		}

	}

}
