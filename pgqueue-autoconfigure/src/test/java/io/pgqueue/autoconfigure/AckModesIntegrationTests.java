package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;

import javax.sql.DataSource;

import io.pgqueue.AckMode;
import io.pgqueue.Acknowledgement;
import io.pgqueue.QueueOperations;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.listener.ContainerOptions;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class AckModesIntegrationTests {

	private final TestDatabase database;

	AckModesIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void aTransactionalListenerAcknowledgesInItsOwnTransaction() {
		Applications.quickRunner(this.database).withUserConfiguration(Own.class).run((context) -> {
			context.getBean(QueueOperations.class).send("own-transaction", "x");
			Await.until("it was handled", () -> !context.getBean(Own.class).afterCommit().isEmpty());
			assertThat(context.getBean(Own.class).afterCommit()).containsExactly(0);
		});
	}

	@Test
	void attributesChooseModeTimeoutAndTransactionManager() {
		Applications.quickRunner(this.database)
			.withUserConfiguration(Managers.class, Attributes.class)
			.withPropertyValues("modes.first=on-receive", "modes.timeout=7s", "pgqueue.listener.auto-startup=false")
			.run((context) -> {
				QueueListenerRegistry registry = context.getBean(QueueListenerRegistry.class);
				ContainerOptions first = registry.container("first").options();
				assertThat(first.ackMode()).isEqualTo(AckMode.ON_RECEIVE);
				assertThat(first.timeout()).isEqualTo(Duration.ofSeconds(7));
				assertThat(registry.container("second").options().ackMode()).isEqualTo(AckMode.MANUAL);
				ContainerOptions third = registry.container("third").options();
				assertThat(third.ackMode()).isEqualTo(AckMode.TRANSACTIONAL);
				assertThat(third.transactionManager()).isSameAs(context.getBean("other"));
			});
	}

	@Test
	void anUnknownModeFailsTheStartWithTheKnownOnes() {
		Applications.quickRunner(this.database)
			.withUserConfiguration(Managers.class, Attributes.class)
			.withPropertyValues("modes.first=sometimes", "modes.timeout=7s")
			.run((context) -> assertThat(Failures.ofOurs(context)).hasMessageContaining("ackMode is 'sometimes'")
				.hasMessageContaining("auto, transactional, manual or on-receive"));
	}

	@Test
	void theInstanceIsRegisteredUnderTheNameOfTheProperty() {
		Applications.quickRunner(this.database)
			.withUserConfiguration(Own.class)
			.withPropertyValues("pgqueue.instance=node-7")
			.run((context) -> Await.until("it is registered",
					() -> this.database.jdbc()
						.sql("SELECT count(*) FROM pgqueue.worker WHERE instance = 'node-7'")
						.query(Integer.class)
						.single() == 1));
	}

	static class Own {

		private final List<Integer> afterCommit = new CopyOnWriteArrayList<>();

		private final JdbcClient jdbc;

		Own(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		List<Integer> afterCommit() {
			return this.afterCommit;
		}

		@QueueListener("own-transaction")
		@Transactional
		void on(String payload) {
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void afterCommit() {
					Own.this.afterCommit.add(CompletableFuture.supplyAsync(Own.this::leases).join());
				}

			});
		}

		private int leases() {
			return this.jdbc
				.sql("SELECT count(*) FROM pgqueue.lease l JOIN pgqueue.queue q ON q.id = l.queue_id"
						+ " WHERE q.name = 'own-transaction'")
				.query(Integer.class)
				.single();
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Managers {

		@Bean
		JdbcTransactionManager transactionManager(DataSource dataSource) {
			return new JdbcTransactionManager(dataSource);
		}

		@Bean
		JdbcTransactionManager other(DataSource dataSource) {
			return new JdbcTransactionManager(dataSource);
		}

	}

	static class Attributes {

		@QueueListener(queue = "modes", id = "first", ackMode = "${modes.first}", timeout = "${modes.timeout}")
		void first(String payload) {
		}

		@QueueListener(queue = "modes", id = "second", ackMode = "MANUAL")
		void second(String payload, Acknowledgement acknowledgement) {
		}

		@QueueListener(queue = "modes", id = "third", ackMode = "transactional", transactionManager = "#{@other}")
		void third(String payload) {
		}

	}

}
