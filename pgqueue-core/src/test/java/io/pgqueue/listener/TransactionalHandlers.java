package io.pgqueue.listener;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

import javax.sql.DataSource;

import io.pgqueue.BatchFailedException;
import io.pgqueue.BatchResult;
import io.pgqueue.QueueMessage;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.resilience.annotation.EnableResilientMethods;
import org.springframework.resilience.annotation.Retryable;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Isolation;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

/**
 * Handlers whose transactions are of all kinds.
 */
final class TransactionalHandlers {

	private TransactionalHandlers() {
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
		void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class New {

		private final Work work;

		New(Work work) {
			this.work = work;
		}

		@Transactional(propagation = Propagation.REQUIRES_NEW)
		void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Serializable {

		private final Work work;

		Serializable(Work work) {
			this.work = work;
		}

		@Transactional(isolation = Isolation.REPEATABLE_READ)
		void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	@Transactional
	static class OnClass {

		private final Work work;

		OnClass(Work work) {
			this.work = work;
		}

		void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Jakarta {

		private final Work work;

		Jakarta(Work work) {
			this.work = work;
		}

		@jakarta.transaction.Transactional
		void on(QueueMessage<String> message) {
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
		void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class Stubborn {

		private final Work work;

		Stubborn(Work work) {
			this.work = work;
		}

		@Transactional(noRollbackFor = IllegalStateException.class)
		void on(QueueMessage<String> message) {
			this.work.handle(message);
		}

	}

	static class ReadOnly {

		@Transactional(readOnly = true)
		void on(QueueMessage<String> message) {
		}

	}

	static class Future {

		@Transactional
		CompletableFuture<Void> on(QueueMessage<String> message) {
			return CompletableFuture.completedFuture(null);
		}

	}

	static class Final {

		@Transactional
		final void on(QueueMessage<String> message) {
		}

		@Transactional
		void other() {
		}

	}

	static class Batch {

		private final Work work;

		Batch(Work work) {
			this.work = work;
		}

		@Transactional
		BatchResult on(List<QueueMessage<String>> messages) {
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
		void on(List<QueueMessage<String>> messages) {
			messages.forEach(this.work::insert);
			if (this.work.failures.getAndDecrement() > 0) {
				throw new BatchFailedException(
						Map.of(messages.get(4).id(), new IllegalStateException("not this time")));
			}
		}

	}

}
