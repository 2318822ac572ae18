package io.pgqueue.listener;

import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

import javax.sql.DataSource;

import ch.qos.logback.classic.Level;
import io.pgqueue.AckMode;
import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.listener.TransactionalHandlers.Again;
import io.pgqueue.listener.TransactionalHandlers.Batch;
import io.pgqueue.listener.TransactionalHandlers.Final;
import io.pgqueue.listener.TransactionalHandlers.Future;
import io.pgqueue.listener.TransactionalHandlers.Jakarta;
import io.pgqueue.listener.TransactionalHandlers.New;
import io.pgqueue.listener.TransactionalHandlers.OnClass;
import io.pgqueue.listener.TransactionalHandlers.Plain;
import io.pgqueue.listener.TransactionalHandlers.ReadOnly;
import io.pgqueue.listener.TransactionalHandlers.Serializable;
import io.pgqueue.listener.TransactionalHandlers.Stubborn;
import io.pgqueue.listener.TransactionalHandlers.ThrowingBatch;
import io.pgqueue.listener.TransactionalHandlers.Transactions;
import io.pgqueue.listener.TransactionalHandlers.Work;
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
import org.springframework.transaction.PlatformTransactionManager;

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

}
