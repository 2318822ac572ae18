package io.pgqueue.client;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

import io.pgqueue.InvalidMessageException;
import io.pgqueue.QueueEventListener;
import io.pgqueue.listener.RecordedEvents;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class SentEventsIntegrationTests {

	private final TestDatabase database;

	private final RecordedEvents events = new RecordedEvents();

	private final WakeUp wakeUp = new WakeUp();

	private final QueueTemplate queues;

	private final TransactionTemplate transactions;

	private String queue;

	SentEventsIntegrationTests(TestDatabase database) {
		this.database = database;
		WakeUps wakeUps = new WakeUps();
		this.queues = QueueTemplate.builder(database.dataSource()).events(this.events).wakeUps(wakeUps).build();
		this.transactions = new TransactionTemplate(new JdbcTransactionManager(database.dataSource()));
		this.queue = TestApplication.uniqueQueue();
		wakeUps.add(this.queue, 1, 1, this.wakeUp);
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void declareQueue() {
		TestApplication.on(this.database).registry().declare(this.queue);
	}

	@Test
	void aSendWithoutATransactionCountsAndWakesAtOnce() throws InterruptedException {
		this.queues.send(this.queue, "one");
		assertThat(this.events.sent(this.queue)).isEqualTo(1);
		assertThat(woken()).isTrue();
		this.queues.sendAll(this.queue, List.of("two", "three"));
		assertThat(this.events.sent(this.queue)).isEqualTo(3);
		assertThat(woken()).isTrue();
	}

	@Test
	void aBatchCountsOnceWithAllItsMessages() {
		AtomicInteger calls = new AtomicInteger();
		QueueTemplate counting = QueueTemplate.builder(this.database.dataSource()).events(new QueueEventListener() {

			@Override
			public void sent(String queue, long count) {
				calls.incrementAndGet();
				assertThat(count).isEqualTo(2_500);
			}

		}).build();
		counting.sendAll(this.queue, Collections.nCopies(2_500, "x"));
		assertThat(calls).hasValue(1);
	}

	@Test
	void anEmptyBatchNeitherCountsNorWakes() throws InterruptedException {
		this.queues.sendAll(this.queue, List.of());
		assertThat(this.events.sent(this.queue)).isZero();
		assertThat(woken()).isFalse();
	}

	@Test
	void aSendInATransactionCountsAndWakesAfterTheCommitOnly() throws InterruptedException {
		this.transactions.executeWithoutResult((status) -> {
			this.queues.send(this.queue, "one");
			this.queues.sendAll(this.queue, List.of("two", "three"));
			assertThat(this.events.sent(this.queue)).isZero();
			assertThat(isWoken()).isFalse();
		});
		assertThat(this.events.sent(this.queue)).isEqualTo(3);
		assertThat(woken()).isTrue();
	}

	@Test
	void aRolledBackSendNeitherCountsNorWakes() throws InterruptedException {
		this.transactions.executeWithoutResult((status) -> {
			this.queues.send(this.queue, "one");
			status.setRollbackOnly();
		});
		assertThat(this.events.sent(this.queue)).isZero();
		assertThat(woken()).isFalse();
	}

	@Test
	void aRefusedSendNeitherCountsNorWakes() throws InterruptedException {
		assertThatExceptionOfType(InvalidMessageException.class).isThrownBy(() -> this.queues.send(this.queue, null));
		assertThat(this.events.sent(this.queue)).isZero();
		assertThat(woken()).isFalse();
	}

	@Test
	void whatWasRolledBackToASavepointIsNotCounted() {
		this.transactions.executeWithoutResult((status) -> {
			this.queues.send(this.queue, "counts");
			nested(true);
			this.queues.send(this.queue, "counts");
			nested(false);
			nested(true);
		});
		assertThat(this.events.sent(this.queue)).isEqualTo(3);
	}

	@Test
	void whatWasRolledBackToASavepointBeforeAnythingElseWasSentIsNotCounted() throws InterruptedException {
		this.transactions.executeWithoutResult((status) -> nested(true));
		assertThat(this.events.sent(this.queue)).isZero();
		assertThat(woken()).isFalse();
	}

	@Test
	void savepointsThatTheApplicationSetsItselfAreCountedRightToo() {
		this.transactions.executeWithoutResult((status) -> {
			Object outer = status.createSavepoint();
			this.queues.send(this.queue, "counts in the end");
			Object inner = status.createSavepoint();
			this.queues.send(this.queue, "taken back");
			status.rollbackToSavepoint(inner);
			status.releaseSavepoint(outer);
		});
		assertThat(this.events.sent(this.queue)).isEqualTo(1);
	}

	@Test
	void anInnerTransactionCountsByItself() {
		this.transactions.executeWithoutResult((status) -> {
			this.queues.send(this.queue, "rolled back");
			TransactionTemplate inner = transactions(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
			inner.executeWithoutResult((innerStatus) -> this.queues.send(this.queue, "committed"));
			assertThat(this.events.sent(this.queue)).isEqualTo(1);
			status.setRollbackOnly();
		});
		assertThat(this.events.sent(this.queue)).isEqualTo(1);
	}

	@Test
	void aSendJustBeforeTheCommitIsCounted() throws InterruptedException {
		this.transactions.executeWithoutResult(
				(status) -> TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void beforeCommit(boolean readOnly) {
						SentEventsIntegrationTests.this.queues.send(SentEventsIntegrationTests.this.queue, "last");
					}

				}));
		assertThat(this.events.sent(this.queue)).isEqualTo(1);
		assertThat(woken()).isTrue();
	}

	@Test
	void aSendJustAfterTheCommitIsCounted() throws InterruptedException {
		this.transactions.executeWithoutResult(
				(status) -> TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void afterCommit() {
						SentEventsIntegrationTests.this.queues.send(SentEventsIntegrationTests.this.queue, "late");
					}

				}));
		assertThat(this.events.sent(this.queue)).isEqualTo(1);
		assertThat(woken()).isTrue();
	}

	@Test
	void twoTemplatesInOneTransactionCountTheirOwnMessages() {
		RecordedEvents others = new RecordedEvents();
		QueueTemplate other = QueueTemplate.builder(this.database.dataSource()).events(others).build();
		this.transactions.executeWithoutResult((status) -> {
			this.queues.send(this.queue, "one");
			other.sendAll(this.queue, List.of("two", "three"));
		});
		assertThat(this.events.sent(this.queue)).isEqualTo(1);
		assertThat(others.sent(this.queue)).isEqualTo(2);
	}

	private void nested(boolean rollback) {
		transactions(TransactionDefinition.PROPAGATION_NESTED).executeWithoutResult((status) -> {
			this.queues.send(this.queue, "nested");
			if (rollback) {
				status.setRollbackOnly();
			}
		});
	}

	private TransactionTemplate transactions(int propagation) {
		TransactionTemplate transactions = new TransactionTemplate(this.transactions.getTransactionManager());
		transactions.setPropagationBehavior(propagation);
		return transactions;
	}

	private boolean isWoken() {
		try {
			return woken();
		}
		catch (InterruptedException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private boolean woken() throws InterruptedException {
		return this.wakeUp.await(Duration.ZERO);
	}

}
