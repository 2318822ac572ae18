package io.pgqueue.client;

import java.util.List;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.SendRejectedException;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.TransactionAwareDataSourceProxy;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class SendingInTransactionsIntegrationTests {

	private final TestDatabase database;

	private String queue;

	SendingInTransactionsIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE booking (queue text)").update();
	}

	@BeforeEach
	void declareQueue() {
		this.queue = TestApplication.on(this.database).declareQueue();
	}

	private int messages() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	private int bookings() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM booking WHERE queue = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	@Nested
	class WithAutocommit extends Sending {

		WithAutocommit() {
			super(SendingInTransactionsIntegrationTests.this.database.dataSource());
		}

	}

	@Nested
	class WithoutAutocommit extends Sending {

		WithoutAutocommit() {
			super(SendingInTransactionsIntegrationTests.this.database.pool((config) -> {
				config.setAutoCommit(false);
				// Or else the initial SQL of a connection leaves a transaction open.
				config.setIsolateInternalQueries(true);
			}));
		}

	}

	abstract class Sending {

		private final HikariDataSource pool;

		private final QueueTemplate queues;

		private final JdbcClient jdbc;

		Sending(HikariDataSource pool) {
			this.pool = pool;
			this.queues = QueueTemplate.builder(pool).build();
			this.jdbc = JdbcClient.create(pool);
		}

		@Test
		void aMessageAppearsWithTheCommitAndNotBefore() {
			transactions().executeWithoutResult((status) -> {
				work();
				assertThat(messages()).isZero();
			});
			assertThat(messages()).isEqualTo(2);
			assertThat(bookings()).isEqualTo(1);
		}

		@Test
		void aRollbackLeavesNothing() {
			transactions().executeWithoutResult((status) -> {
				work();
				status.setRollbackOnly();
			});
			assertThat(messages()).isZero();
			assertThat(bookings()).isZero();
		}

		@Test
		void anExceptionInTheTransactionLeavesNothing() {
			assertThatExceptionOfType(IllegalStateException.class)
				.isThrownBy(() -> transactions().executeWithoutResult((status) -> {
					work();
					throw new IllegalStateException("the business failed");
				}));
			assertThat(messages()).isZero();
			assertThat(bookings()).isZero();
		}

		@Test
		void whatAnInnerTransactionSendsOutlivesTheRollbackOfTheOuterOne() {
			transactions().executeWithoutResult((status) -> {
				this.queues.send(SendingInTransactionsIntegrationTests.this.queue, "outer");
				transactions(TransactionDefinition.PROPAGATION_REQUIRES_NEW).executeWithoutResult((inner) -> work());
				assertThat(messages()).isEqualTo(2);
				status.setRollbackOnly();
			});
			assertThat(messages()).isEqualTo(2);
		}

		@Test
		void whatAnInnerTransactionSendsGoesWithItsRollback() {
			transactions().executeWithoutResult((status) -> {
				this.queues.send(SendingInTransactionsIntegrationTests.this.queue, "outer");
				transactions(TransactionDefinition.PROPAGATION_REQUIRES_NEW).executeWithoutResult((inner) -> {
					work();
					inner.setRollbackOnly();
				});
			});
			assertThat(messages()).isEqualTo(1);
			assertThat(bookings()).isZero();
		}

		@Test
		void aRollbackToASavepointTakesBackWhatWasSentSince() {
			transactions().executeWithoutResult((status) -> {
				this.queues.send(SendingInTransactionsIntegrationTests.this.queue, "before");
				transactions(TransactionDefinition.PROPAGATION_NESTED).executeWithoutResult((nested) -> {
					work();
					nested.setRollbackOnly();
				});
				transactions(TransactionDefinition.PROPAGATION_NESTED).executeWithoutResult((nested) -> work());
			});
			assertThat(messages()).isEqualTo(3);
			assertThat(bookings()).isEqualTo(1);
		}

		@Test
		void aSendWithoutATransactionIsCommittedAtOnce() {
			work();
			assertThat(messages()).isEqualTo(2);
		}

		@Test
		void aScopeWithoutATransactionDoesNotKeepASendFromCommitting() {
			transactions(TransactionDefinition.PROPAGATION_SUPPORTS).executeWithoutResult((status) -> {
				// Binds a connection to the scope.
				this.jdbc.sql("SELECT 1").query(Integer.class).single();
				this.queues.send(SendingInTransactionsIntegrationTests.this.queue, "alone");
				this.queues.sendAll(SendingInTransactionsIntegrationTests.this.queue, List.of("alone"));
				assertThat(messages()).isEqualTo(2);
			});
		}

		@Test
		void aSuspendedTransactionIsNotJoined() {
			transactions().executeWithoutResult((status) -> {
				transactions(TransactionDefinition.PROPAGATION_NOT_SUPPORTED).executeWithoutResult(
						(suspended) -> this.queues.send(SendingInTransactionsIntegrationTests.this.queue, "alone"));
				status.setRollbackOnly();
			});
			assertThat(messages()).isEqualTo(1);
		}

		@Test
		void aTransactionOnAnotherDataSourceIsNotJoined() {
			otherTransactions().executeWithoutResult((status) -> {
				send();
				assertThat(messages()).isEqualTo(2);
				status.setRollbackOnly();
			});
			assertThat(messages()).isEqualTo(2);
		}

		@Test
		void aTransactionOnAnotherDataSourceIsNotJoinedThoughAQueryHasBoundAConnection() {
			otherTransactions().executeWithoutResult((status) -> {
				this.jdbc.sql("SELECT 1").query(Integer.class).single();
				send();
				assertThat(messages()).isEqualTo(2);
				status.setRollbackOnly();
			});
			assertThat(messages()).isEqualTo(2);
		}

		@Test
		void aTransactionOnAnotherDataSourceIsNotJoinedAfterItWasSuspended() {
			otherTransactions().executeWithoutResult((status) -> {
				this.jdbc.sql("SELECT 1").query(Integer.class).single();
				TransactionTemplate inner = otherTransactions();
				inner.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
				inner.executeWithoutResult((suspending) -> send());
				send();
				assertThat(messages()).isEqualTo(4);
				status.setRollbackOnly();
			});
			assertThat(messages()).isEqualTo(4);
		}

		@Test
		void aReadOnlyTransactionRefusesWithOneSentenceAndGoesOn() {
			TransactionTemplate readOnly = transactions();
			readOnly.setReadOnly(true);
			readOnly.executeWithoutResult((status) -> {
				assertThatExceptionOfType(SendRejectedException.class).isThrownBy(this::sendOne)
					.withMessageContaining("'" + SendingInTransactionsIntegrationTests.this.queue + "'")
					.withMessageContaining("read-only");
				assertThatExceptionOfType(SendRejectedException.class).isThrownBy(this::sendBatch)
					.withMessageContaining("read-only");
				assertThat(this.jdbc.sql("SELECT 1").query(Integer.class).single()).isEqualTo(1);
			});
			assertThat(messages()).isZero();
		}

		@Test
		void aTransactionOfItsOwnInsideAReadOnlyOneMaySend() {
			TransactionTemplate readOnly = transactions();
			readOnly.setReadOnly(true);
			readOnly.executeWithoutResult((status) -> transactions(TransactionDefinition.PROPAGATION_REQUIRES_NEW)
				.executeWithoutResult((inner) -> work()));
			assertThat(messages()).isEqualTo(2);
		}

		@Test
		void everyIsolationLevelMaySend() {
			int[] levels = { TransactionDefinition.ISOLATION_SERIALIZABLE,
					TransactionDefinition.ISOLATION_REPEATABLE_READ, TransactionDefinition.ISOLATION_READ_COMMITTED,
					TransactionDefinition.ISOLATION_READ_UNCOMMITTED };
			for (int level : levels) {
				TransactionTemplate isolated = transactions();
				isolated.setIsolationLevel(level);
				isolated.executeWithoutResult((status) -> {
					work();
					status.setRollbackOnly();
				});
				isolated.executeWithoutResult((status) -> work());
			}
			assertThat(messages()).isEqualTo(8);
			assertThat(bookings()).isEqualTo(4);
		}

		@Test
		void proxiesOfTheDataSourceBelongToTheSameTransaction() {
			LazyConnectionDataSourceProxy lazy = new LazyConnectionDataSourceProxy(this.pool);
			QueueTemplate throughProxies = QueueTemplate.builder(new TransactionAwareDataSourceProxy(lazy)).build();
			TransactionTemplate transactions = new TransactionTemplate(new JdbcTransactionManager(lazy));
			transactions.executeWithoutResult((status) -> {
				throughProxies.send(SendingInTransactionsIntegrationTests.this.queue, "rolled back");
				status.setRollbackOnly();
			});
			assertThat(messages()).isZero();
			transactions.executeWithoutResult((status) -> {
				throughProxies.send(SendingInTransactionsIntegrationTests.this.queue, "committed");
				assertThat(messages()).isZero();
			});
			assertThat(messages()).isEqualTo(1);
		}

		@Test
		void aSendJustBeforeTheCommitBelongsToTheTransaction() {
			transactions().executeWithoutResult((status) -> TransactionSynchronizationManager
				.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void beforeCommit(boolean readOnly) {
						send();
						assertThat(messages()).isZero();
					}

				}));
			assertThat(messages()).isEqualTo(2);
		}

		@Test
		void aSendJustAfterTheCommitIsCommittedOrRefusedAndNeverLost() {
			boolean[] refused = new boolean[1];
			transactions().executeWithoutResult((status) -> TransactionSynchronizationManager
				.registerSynchronization(new TransactionSynchronization() {

					@Override
					public void afterCommit() {
						try {
							sendOne();
						}
						catch (SendRejectedException ex) {
							refused[0] = true;
						}
					}

				}));
			assertThat(messages()).isEqualTo((refused[0]) ? 0 : 1);
		}

		@Test
		void aSendAfterTheEndOfATransactionIsCommittedByItself() {
			TransactionSynchronization callback = new TransactionSynchronization() {

				@Override
				public void afterCompletion(int status) {
					send();
				}

			};
			transactions().executeWithoutResult((status) -> {
				TransactionSynchronizationManager.registerSynchronization(callback);
				status.setRollbackOnly();
			});
			assertThat(messages()).isEqualTo(2);
			transactions()
				.executeWithoutResult((status) -> TransactionSynchronizationManager.registerSynchronization(callback));
			assertThat(messages()).isEqualTo(4);
		}

		private void work() {
			this.jdbc.sql("INSERT INTO booking VALUES (?)")
				.param(SendingInTransactionsIntegrationTests.this.queue)
				.update();
			send();
		}

		private void send() {
			sendOne();
			sendBatch();
		}

		private void sendOne() {
			this.queues.send(SendingInTransactionsIntegrationTests.this.queue, "one");
		}

		private void sendBatch() {
			this.queues.sendAll(SendingInTransactionsIntegrationTests.this.queue, List.of("another one"));
		}

		private TransactionTemplate transactions() {
			return transactions(this.pool);
		}

		private TransactionTemplate transactions(int propagation) {
			TransactionTemplate transactions = transactions();
			transactions.setPropagationBehavior(propagation);
			return transactions;
		}

		private TransactionTemplate otherTransactions() {
			return transactions(SendingInTransactionsIntegrationTests.this.database.directDataSource());
		}

		private TransactionTemplate transactions(DataSource dataSource) {
			return new TransactionTemplate(new JdbcTransactionManager(dataSource));
		}

	}

}
