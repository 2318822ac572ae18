package io.pgqueue.listener;

import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

import javax.sql.DataSource;

import io.pgqueue.Acknowledgement;
import io.pgqueue.QueueMessage;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.test.TestDatabase;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;

import org.springframework.beans.factory.ObjectProvider;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.annotation.Isolation;
import org.springframework.transaction.annotation.Propagation;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.interceptor.TransactionAspectSupport;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * The handlers of {@link TransactionMatrixIntegrationTests}: every way to open a
 * transaction, and what happens inside.
 */
final class TransactionMatrix {

	private TransactionMatrix() {
	}

	/**
	 * What a handler does with its first delivery; further ones succeed. Each value has
	 * what is left in the end, as "deliveries: effects", where an effect is named by who
	 * had it, and in which delivery: if the transaction acknowledges, if the handler uses
	 * a {@link TransactionTemplate} of which nobody knows, and if there is no transaction
	 * around it. Null where there is no such thing.
	 */
	enum Scenario {

		RETURNS("1: outer@1", "1: outer@1", "1: outer@1"),

		THROWS("2: outer@2", "2: outer@2", "2: outer@1 outer@2"),

		// The template's owner knows what he does: the handler has succeeded.
		MARKS_ROLLBACK_ONLY("2: outer@2", "1:", null),

		INNER_COMMITS_AND_OUTER_THROWS("2: inner@1 inner@2 outer@2", "2: inner@1 inner@2 outer@2",
				"2: inner@1 inner@2 outer@1 outer@2"),

		INNER_ROLLS_BACK("1: outer@1", "1: outer@1", "1: outer@1"),

		SAVEPOINT_ROLLS_BACK("1: outer@1", "1: outer@1", "1: outer@1"),

		SAVEPOINT_IS_KEPT_AND_OUTER_THROWS("2: inner@2 outer@2", "2: inner@2 outer@2",
				"2: inner@1 inner@2 outer@1 outer@2"),

		PART_FAILS_AND_IS_CAUGHT("2: inner@2 outer@2", "2: inner@2 outer@2", "1: outer@1"),

		INNER_IS_READ_ONLY("1: outer@1", "1: outer@1", "1: outer@1");

		final String acknowledging;

		final String template;

		final String without;

		Scenario(String acknowledging, String template, String without) {
			this.acknowledging = acknowledging;
			this.template = template;
			this.without = without;
		}

		boolean hasSavepoint() {
			return this == SAVEPOINT_ROLLS_BACK || this == SAVEPOINT_IS_KEPT_AND_OUTER_THROWS;
		}

	}

	static class Handlers {

		private final Work work;

		private final TransactionTemplate template;

		Handlers(Work work, PlatformTransactionManager manager) {
			this.work = work;
			this.template = new TransactionTemplate(manager);
		}

		@Transactional
		void required(QueueMessage<String> message) {
			this.work.run(message, Handlers::markRollbackOnly);
		}

		@Transactional(propagation = Propagation.REQUIRES_NEW)
		void requiresNew(QueueMessage<String> message) {
			this.work.run(message, Handlers::markRollbackOnly);
		}

		@Transactional(propagation = Propagation.NESTED)
		void nested(QueueMessage<String> message) {
			this.work.run(message, Handlers::markRollbackOnly);
		}

		@Transactional(isolation = Isolation.REPEATABLE_READ)
		void repeatableRead(QueueMessage<String> message) {
			this.work.run(message, Handlers::markRollbackOnly);
		}

		@Transactional(isolation = Isolation.SERIALIZABLE)
		void serializable(QueueMessage<String> message) {
			this.work.run(message, Handlers::markRollbackOnly);
		}

		@Transactional
		void batch(List<QueueMessage<String>> messages) {
			messages.forEach((message) -> this.work.run(message, Handlers::markRollbackOnly));
		}

		@Transactional
		void manual(QueueMessage<String> message, Acknowledgement acknowledgement) {
			acknowledgement.acknowledge();
			this.work.run(message, Handlers::markRollbackOnly);
		}

		void bare(QueueMessage<String> message) {
			this.work.run(message, Handlers::markRollbackOnly);
		}

		void bareBatch(List<QueueMessage<String>> messages) {
			messages.forEach((message) -> this.work.run(message, Handlers::markRollbackOnly));
		}

		void template(QueueMessage<String> message) {
			this.template.executeWithoutResult((status) -> this.work.run(message, status::setRollbackOnly));
		}

		@Transactional(readOnly = true)
		void readOnly(QueueMessage<String> message) {
			this.work.read(message);
		}

		void readOnlyTemplate(QueueMessage<String> message) {
			TransactionTemplate readOnly = new TransactionTemplate(this.template.getTransactionManager());
			readOnly.setReadOnly(true);
			readOnly.executeWithoutResult((status) -> this.work.read(message));
		}

		private static void markRollbackOnly() {
			TransactionAspectSupport.currentTransactionStatus().setRollbackOnly();
		}

	}

	/**
	 * What handlers do: each effect is a row and a message.
	 */
	static class Work {

		/**
		 * How many leases of a message there are when its handler's transaction has just
		 * committed.
		 */
		final Map<String, Integer> heldAtCommit = new ConcurrentHashMap<>();

		final Queue<String> deliveries = new ConcurrentLinkedQueue<>();

		volatile String sendTo;

		private final TestDatabase database;

		private final QueueTemplate queues;

		private final JdbcClient jdbc;

		private final PlatformTransactionManager manager;

		private final EntityManager entities;

		Work(TestDatabase database, DataSource dataSource, PlatformTransactionManager manager,
				ObjectProvider<EntityManagerFactory> factory) {
			this.database = database;
			this.queues = QueueTemplate.builder(dataSource).build();
			this.jdbc = JdbcClient.create(dataSource);
			this.manager = manager;
			EntityManagerFactory created = factory.getIfAvailable();
			this.entities = (created != null) ? SharedEntityManagerCreator.createSharedEntityManager(created) : null;
		}

		void run(QueueMessage<String> message, Runnable markRollbackOnly) {
			this.deliveries.add(key(message));
			watchCommit(message);
			boolean first = message.attempt() == 1;
			switch (Scenario.valueOf(message.payload())) {
				case RETURNS -> effect(message, "outer");
				case THROWS -> {
					effect(message, "outer");
					failIf(first);
				}
				case MARKS_ROLLBACK_ONLY -> {
					effect(message, "outer");
					if (first) {
						markRollbackOnly.run();
					}
				}
				case INNER_COMMITS_AND_OUTER_THROWS -> {
					inner(TransactionDefinition.PROPAGATION_REQUIRES_NEW, message, false);
					effect(message, "outer");
					failIf(first);
				}
				case INNER_ROLLS_BACK -> {
					inner(TransactionDefinition.PROPAGATION_REQUIRES_NEW, message, true);
					effect(message, "outer");
				}
				case SAVEPOINT_ROLLS_BACK -> {
					inner(TransactionDefinition.PROPAGATION_NESTED, message, true);
					effect(message, "outer");
				}
				case SAVEPOINT_IS_KEPT_AND_OUTER_THROWS -> {
					inner(TransactionDefinition.PROPAGATION_NESTED, message, false);
					effect(message, "outer");
					failIf(first);
				}
				case PART_FAILS_AND_IS_CAUGHT -> {
					failingPart(message, first);
					effect(message, "outer");
				}
				case INNER_IS_READ_ONLY -> {
					TransactionTemplate inner = template(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
					inner.setReadOnly(true);
					inner.executeWithoutResult((status) -> count());
					effect(message, "outer");
				}
			}
		}

		/**
		 * What a handler may do in a read-only transaction, and what it may not.
		 */
		void read(QueueMessage<String> message) {
			this.deliveries.add(key(message));
			watchCommit(message);
			boolean first = message.attempt() == 1;
			count();
			switch (message.payload()) {
				case "reads" -> {
				}
				case "throws" -> failIf(first);
				case "sends" -> {
					if (first) {
						send(message, "outer");
					}
				}
				case "inner commits and outer throws" -> {
					inner(TransactionDefinition.PROPAGATION_REQUIRES_NEW, message, false);
					failIf(first);
				}
				default -> throw new IllegalArgumentException(message.payload());
			}
		}

		private void inner(int propagation, QueueMessage<String> message, boolean rollback) {
			template(propagation).executeWithoutResult((status) -> {
				effect(message, "inner");
				if (rollback) {
					status.setRollbackOnly();
				}
			});
		}

		private void failingPart(QueueMessage<String> message, boolean fails) {
			try {
				template(TransactionDefinition.PROPAGATION_REQUIRED).executeWithoutResult((status) -> {
					effect(message, "inner");
					failIf(fails);
				});
			}
			catch (IllegalStateException ex) {
				// Too late: the transaction that both are part of can only roll back.
			}
		}

		private void effect(QueueMessage<String> message, String who) {
			if (this.entities != null && TransactionSynchronizationManager.isActualTransactionActive()) {
				TransactionManagers.Effect effect = new TransactionManagers.Effect();
				effect.message = key(message);
				effect.who = who + "@" + message.attempt();
				this.entities.persist(effect);
			}
			else {
				this.jdbc.sql("INSERT INTO effect (message, who) VALUES (?, ?)")
					.params(key(message), who + "@" + message.attempt())
					.update();
			}
			send(message, who);
		}

		private void send(QueueMessage<String> message, String who) {
			this.queues.send(this.sendTo, who + "@" + message.attempt(),
					(options) -> options.header("message", key(message)));
		}

		private static String key(QueueMessage<String> message) {
			return message.queue() + " " + message.payload();
		}

		private void count() {
			this.jdbc.sql("SELECT count(*) FROM effect").query(Integer.class).single();
		}

		private TransactionTemplate template(int propagation) {
			TransactionTemplate created = new TransactionTemplate(this.manager);
			created.setPropagationBehavior(propagation);
			return created;
		}

		private void watchCommit(QueueMessage<String> message) {
			if (!TransactionSynchronizationManager.isSynchronizationActive()) {
				return;
			}
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void afterCommit() {
					Work.this.heldAtCommit.put(key(message),
							CompletableFuture.supplyAsync(() -> held(message.id())).join());
				}

			});
		}

		private int held(long id) {
			return this.database.jdbc()
				.sql("SELECT (SELECT count(*) FROM pgqueue.lease WHERE :id = ANY (ids))"
						+ " + (SELECT count(*) FROM pgqueue.retry WHERE id = :id AND n IS NOT NULL)")
				.param("id", id)
				.query(Integer.class)
				.single();
		}

		private static void failIf(boolean fails) {
			if (fails) {
				throw new IllegalStateException("not this time");
			}
		}

	}

}
