package io.pgqueue.listener;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

import javax.sql.DataSource;

import io.pgqueue.QueueMessage;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.orm.jpa.persistenceunit.PersistenceManagedTypes;
import org.springframework.orm.jpa.vendor.HibernateJpaVendorAdapter;
import org.springframework.transaction.annotation.EnableTransactionManagement;
import org.springframework.transaction.annotation.Transactional;
import org.springframework.transaction.support.TransactionSynchronization;
import org.springframework.transaction.support.TransactionSynchronizationManager;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class TransactionalAcksWithJpaIntegrationTests {

	private final TestDatabase database;

	private AnnotationConfigApplicationContext context;

	private TestApplication application;

	TransactionalAcksWithJpaIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
		this.context.close();
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void entityAndAcknowledgementCommitTogether(boolean autocommit) throws ReflectiveOperationException {
		DataSource pool = this.database.pool((config) -> config.setAutoCommit(autocommit));
		this.context = new AnnotationConfigApplicationContext();
		this.context.registerBean(DataSource.class, () -> pool);
		this.context.register(Jpa.class, Handler.class);
		this.context.refresh();
		Handler handler = this.context.getBean(Handler.class);
		this.application = TestApplication.builder(this.database)
			.pooled(pool)
			.beans(this.context.getBeanFactory())
			.build();
		String queue = this.application.declareQueue();
		this.application.listen(TestApplication.options(queue).build(), handler,
				Handler.class.getDeclaredMethod("on", QueueMessage.class));
		this.application.queues().sendAll(queue, IntStream.range(0, 20).mapToObj(String::valueOf).toList());
		this.application.start();
		Await.until("all are done", () -> this.application.events().completed(queue) == 20);
		assertThat(handler.heldAfterCommit()).hasSize(20).containsOnly(0);
		assertThat(handler.attempts()).as("one of them twice").hasValue(21);
		assertThat(this.database.jdbc().sql("SELECT count(*) FROM handled_order").query(Integer.class).single())
			.isEqualTo(20);
	}

	@Configuration(proxyBeanMethods = false)
	@EnableTransactionManagement(proxyTargetClass = true)
	static class Jpa {

		@Bean
		LocalContainerEntityManagerFactoryBean entityManagerFactory(DataSource dataSource) {
			LocalContainerEntityManagerFactoryBean factory = new LocalContainerEntityManagerFactoryBean();
			factory.setDataSource(dataSource);
			factory.setJpaVendorAdapter(new HibernateJpaVendorAdapter());
			factory.setManagedTypes(PersistenceManagedTypes.of(HandledOrder.class.getName()));
			factory.setJpaPropertyMap(Map.of("hibernate.hbm2ddl.auto", "create"));
			return factory;
		}

		@Bean
		JpaTransactionManager transactionManager(EntityManagerFactory factory) {
			return new JpaTransactionManager(factory);
		}

	}

	static class Handler {

		private final EntityManager entities;

		private final JdbcClient jdbc;

		private final List<Integer> heldAfterCommit = new CopyOnWriteArrayList<>();

		private final AtomicInteger attempts = new AtomicInteger();

		Handler(EntityManagerFactory factory, DataSource dataSource) {
			this.entities = SharedEntityManagerCreator.createSharedEntityManager(factory);
			this.jdbc = JdbcClient.create(dataSource);
		}

		@Transactional
		void on(QueueMessage<String> message) {
			HandledOrder order = new HandledOrder();
			order.id = message.id();
			this.entities.persist(order);
			if (this.attempts.incrementAndGet() == 7) {
				throw new IllegalStateException("not this time");
			}
			TransactionSynchronizationManager.registerSynchronization(new TransactionSynchronization() {

				@Override
				public void afterCommit() {
					Handler.this.heldAfterCommit.add(CompletableFuture.supplyAsync(() -> held(message.id())).join());
				}

			});
		}

		List<Integer> heldAfterCommit() {
			return this.heldAfterCommit;
		}

		AtomicInteger attempts() {
			return this.attempts;
		}

		private int held(long id) {
			return this.jdbc
				.sql("SELECT (SELECT count(*) FROM pgqueue.lease WHERE :id = ANY (ids))"
						+ " + (SELECT count(*) FROM pgqueue.retry WHERE id = :id AND n IS NOT NULL)")
				.param("id", id)
				.query(Integer.class)
				.single();
		}

	}

	@Entity(name = "handled_order")
	static class HandledOrder {

		@Id
		Long id;

	}

}
