package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.LongStream;

import io.pgqueue.QueueOperations;
import io.pgqueue.annotation.QueueListener;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.EntityManager;
import jakarta.persistence.EntityManagerFactory;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.flyway.autoconfigure.FlywayAutoConfiguration;
import org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceInitializationAutoConfiguration;
import org.springframework.boot.persistence.autoconfigure.EntityScan;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.annotation.Transactional;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

@PgQueueDatabase
class JpaIntegrationTests {

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	JpaIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.runner(database)
			.withConfiguration(AutoConfigurations.of(HibernateJpaAutoConfiguration.class))
			.withUserConfiguration(Application.class);
	}

	@BeforeEach
	void emptyDatabase() {
		Applications.empty(this.database);
	}

	@ParameterizedTest
	@ValueSource(strings = { "create", "update", "create-drop" })
	void hibernateMayCreateItsTables(String mode) {
		this.application.withPropertyValues("spring.jpa.hibernate.ddl-auto=" + mode).run((context) -> {
			assertEntityManagerFactoryWaits(context);
			context.getBean(Orders.class).place(List.of(1L), false);
			Await.until("it was handled", () -> context.getBean(Confirmations.class).confirmed.contains(1L));
		});
	}

	@Test
	void hibernateMayValidateTablesOfOwnFlywayMigrations() {
		this.application.withConfiguration(AutoConfigurations.of(FlywayAutoConfiguration.class))
			.withPropertyValues("spring.jpa.hibernate.ddl-auto=validate")
			.run((context) -> {
				assertEntityManagerFactoryWaits(context);
				context.getBean(Orders.class).place(List.of(1L), false);
				Await.until("it was handled", () -> context.getBean(Confirmations.class).confirmed.contains(1L));
			});
	}

	@Test
	void scriptsMayRunAfterHibernate() {
		this.application.withConfiguration(AutoConfigurations.of(DataSourceInitializationAutoConfiguration.class))
			.withPropertyValues("spring.jpa.hibernate.ddl-auto=create",
					"spring.jpa.defer-datasource-initialization=true", "spring.sql.init.mode=always",
					"spring.sql.init.schema-locations=classpath:script.sql")
			.run((context) -> {
				assertThat(context).hasNotFailed();
				context.getBean(Orders.class).place(List.of(1L), false);
				Await.until("it was handled", () -> context.getBean(Confirmations.class).confirmed.contains(1L));
			});
	}

	@Test
	void everyListenerFindsTheEntityThatTheSenderSaved() {
		this.application
			.withPropertyValues("spring.jpa.hibernate.ddl-auto=create", "pgqueue.listener.concurrency=4",
					"spring.datasource.hikari.maximum-pool-size=8")
			.run((context) -> {
				assertThat(context.getBean(PlatformTransactionManager.class)).isInstanceOf(JpaTransactionManager.class);
				Orders orders = context.getBean(Orders.class);
				List<Long> numbers = LongStream.rangeClosed(1, 200).boxed().toList();
				numbers.forEach((number) -> orders.place(List.of(number), false));
				Confirmations confirmations = context.getBean(Confirmations.class);
				Await.until("all were handled", Duration.ofMinutes(1),
						() -> confirmations.confirmed.size() + confirmations.missed.size() == 200);
				assertThat(confirmations.missed).isEmpty();
				assertThat(confirmations.confirmed).containsExactlyInAnyOrderElementsOf(numbers);
			});
	}

	@Test
	void whatWasSentInATransactionThatRollsBackIsNotDelivered() {
		this.application.withPropertyValues("spring.jpa.hibernate.ddl-auto=create").run((context) -> {
			Orders orders = context.getBean(Orders.class);
			assertThatIllegalStateException().isThrownBy(() -> orders.place(List.of(1L, 2L), true));
			orders.place(List.of(3L), false);
			Confirmations confirmations = context.getBean(Confirmations.class);
			Await.until("the last one was handled", () -> confirmations.confirmed.contains(3L));
			assertThat(confirmations.confirmed).containsExactly(3L);
			assertThat(confirmations.missed).isEmpty();
			assertThat(this.database.jdbc().sql("SELECT count(*) FROM pgqueue.message").query(Long.class).single())
				.isOne();
		});
	}

	private static void assertEntityManagerFactoryWaits(AssertableApplicationContext context) {
		assertThat(context).hasNotFailed().hasSingleBean(EntityManagerFactory.class);
		assertThat(context.getSourceApplicationContext()
			.getBeanFactory()
			.getBeanDefinition("entityManagerFactory")
			.getDependsOn()).contains("pgQueueSchemaInitializer");
	}

	@Configuration(proxyBeanMethods = false)
	@EntityScan(basePackageClasses = JpaIntegrationTests.class)
	@Import({ Orders.class, Confirmations.class })
	static class Application {

	}

	@Entity(name = "AppOrder")
	@Table(name = "app_order")
	static class AppOrder {

		@Id
		private Long id;

		@Column(nullable = false)
		private String customer;

		protected AppOrder() {
		}

		AppOrder(Long id, String customer) {
			this.id = id;
			this.customer = customer;
		}

	}

	static class Orders {

		private final EntityManager entities;

		private final QueueOperations queues;

		Orders(EntityManager entities, QueueOperations queues) {
			this.entities = entities;
			this.queues = queues;
		}

		@Transactional
		void place(List<Long> numbers, boolean fail) {
			for (Long number : numbers) {
				this.queues.send("placed", number);
				this.entities.persist(new AppOrder(number, "c-" + number));
			}
			if (fail) {
				throw new IllegalStateException("roll back");
			}
		}

	}

	static class Confirmations {

		private final List<Long> confirmed = new CopyOnWriteArrayList<>();

		private final List<Long> missed = new CopyOnWriteArrayList<>();

		private final EntityManager entities;

		Confirmations(EntityManager entities) {
			this.entities = entities;
		}

		@QueueListener("placed")
		void on(Long number) {
			AppOrder order = this.entities.find(AppOrder.class, number);
			((order != null) ? this.confirmed : this.missed).add(number);
		}

	}

}
