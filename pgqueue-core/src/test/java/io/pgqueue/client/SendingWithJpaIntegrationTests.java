package io.pgqueue.client;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import io.pgqueue.SendRejectedException;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.Id;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.orm.jpa.SharedEntityManagerCreator;
import org.springframework.orm.jpa.vendor.HibernateJpaVendorAdapter;
import org.springframework.transaction.TransactionDefinition;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class SendingWithJpaIntegrationTests {

	private final TestDatabase database;

	private LocalContainerEntityManagerFactoryBean factory;

	private EntityManager entities;

	private JpaTransactionManager transactionManager;

	private TestApplication application;

	private String queue;

	SendingWithJpaIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.application.close();
		this.factory.destroy();
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void entityAndMessageAppearWithTheSameCommit(boolean autocommit) {
		start(autocommit);
		transactions().executeWithoutResult((status) -> {
			placeOrder();
			assertThat(messages()).isZero();
			assertThat(orders()).isZero();
		});
		assertThat(messages()).isEqualTo(1);
		assertThat(orders()).isEqualTo(1);
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void entityAndMessageDisappearWithTheSameRollback(boolean autocommit) {
		start(autocommit);
		transactions().executeWithoutResult((status) -> {
			placeOrder();
			this.entities.flush();
			status.setRollbackOnly();
		});
		assertThat(messages()).isZero();
		assertThat(orders()).isZero();
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void anInnerTransactionCommitsItsOwnMessages(boolean autocommit) {
		start(autocommit);
		transactions().executeWithoutResult((status) -> {
			placeOrder();
			TransactionTemplate inner = transactions();
			inner.setPropagationBehavior(TransactionDefinition.PROPAGATION_REQUIRES_NEW);
			inner.executeWithoutResult((innerStatus) -> placeOrder());
			status.setRollbackOnly();
		});
		assertThat(messages()).isEqualTo(1);
		assertThat(orders()).isEqualTo(1);
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void aReadOnlyTransactionRefuses(boolean autocommit) {
		start(autocommit);
		TransactionTemplate readOnly = transactions();
		readOnly.setReadOnly(true);
		readOnly.executeWithoutResult((status) -> assertThatExceptionOfType(SendRejectedException.class)
			.isThrownBy(() -> this.application.queues().send(this.queue, "refused"))
			.withMessageContaining("read-only"));
		assertThat(messages()).isZero();
	}

	@ParameterizedTest
	@ValueSource(booleans = { true, false })
	void theHandlerFindsTheEntityEveryTime(boolean autocommit) {
		start(autocommit);
		Set<Long> found = ConcurrentHashMap.newKeySet();
		this.application.handle(TestApplication.options(this.queue).concurrency(2).build(),
				(message) -> transactions().executeWithoutResult((status) -> {
					if (this.entities.find(PlacedOrder.class, Long.valueOf(message.payload())) != null) {
						found.add(message.id());
					}
				}))
			.start();
		for (int i = 0; i < 100; i++) {
			transactions().executeWithoutResult((status) -> placeOrder());
		}
		Await.until("all were handled", () -> this.application.events().completed(this.queue) == 100);
		assertThat(found).hasSize(100);
	}

	private void start(boolean autocommit) {
		this.factory = new LocalContainerEntityManagerFactoryBean();
		this.factory.setDataSource(this.database.pool((config) -> {
			config.setAutoCommit(autocommit);
			config.setIsolateInternalQueries(true);
		}));
		this.factory.setJpaVendorAdapter(new HibernateJpaVendorAdapter());
		this.factory.setManagedTypes(
				org.springframework.orm.jpa.persistenceunit.PersistenceManagedTypes.of(PlacedOrder.class.getName()));
		this.factory.setJpaPropertyMap(Map.of("hibernate.hbm2ddl.auto", "create",
				"hibernate.connection.provider_disables_autocommit", !autocommit));
		this.factory.afterPropertiesSet();
		EntityManagerFactory created = this.factory.getObject();
		this.entities = SharedEntityManagerCreator.createSharedEntityManager(created);
		this.transactionManager = new JpaTransactionManager(created);
		this.application = TestApplication.builder(this.database).pooled(this.factory.getDataSource()).build();
		this.queue = this.application.declareQueue();
	}

	private void placeOrder() {
		PlacedOrder order = new PlacedOrder();
		this.entities.persist(order);
		this.application.queues().send(this.queue, order.id.toString());
	}

	private TransactionTemplate transactions() {
		return new TransactionTemplate(this.transactionManager);
	}

	private int messages() {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.message m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Integer.class)
			.single();
	}

	private int orders() {
		return this.database.jdbc().sql("SELECT count(*) FROM placed_order").query(Integer.class).single();
	}

	@Entity(name = "placed_order")
	static class PlacedOrder {

		@Id
		@GeneratedValue
		Long id;

	}

}
