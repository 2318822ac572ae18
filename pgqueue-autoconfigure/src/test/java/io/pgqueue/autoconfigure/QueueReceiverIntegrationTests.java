package io.pgqueue.autoconfigure;

import java.time.Duration;
import java.util.List;

import javax.sql.DataSource;

import io.pgqueue.Queue;
import io.pgqueue.ReceivedMessage;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.client.QueueTemplate;
import io.pgqueue.listener.QueueReceiver;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.transaction.PlatformTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Receiving in an application that has no listeners.
 */
@PgQueueDatabase
class QueueReceiverIntegrationTests {

	private final TestDatabase database;

	QueueReceiverIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void anApplicationWithoutListenersReceivesAndAcknowledgesInItsTransactions() {
		Applications.runner(this.database)
			.withPropertyValues("pgqueue.queues.orders.concurrency=1", "pgqueue.instance=here")
			.run((context) -> {
				QueueReceiver receiver = context.getBean(QueueReceiver.class);
				assertThat(receive(receiver, "orders")).isEmpty();
				context.getBean(QueueTemplate.class).send("orders", new Order("book", 2));
				ReceivedMessage<Order> received = receive(receiver, "orders").get(0);
				assertThat(received.message().payload()).isEqualTo(new Order("book", 2));
				TransactionTemplate transaction = new TransactionTemplate(
						context.getBean(PlatformTransactionManager.class));
				transaction.executeWithoutResult((status) -> {
					receiver.acknowledge(received.receipt());
					status.setRollbackOnly();
				});
				transaction.executeWithoutResult((status) -> receiver.acknowledge(received.receipt()));
				assertThat(instances(received)).as("the process in the database").containsExactly("here");
			});
	}

	@ParameterizedTest
	@ValueSource(strings = { "pgqueue.retry.max-attempts=2", "pgqueue.queues.limited.retry.max-attempts=2" })
	void maxAttemptsLimitsHowOftenAMessageIsReceived(String property) {
		Applications.quickRunner(this.database)
			.withPropertyValues("pgqueue.queues.limited.concurrency=1", property)
			.run((context) -> {
				long id = context.getBean(QueueTemplate.class).send("limited", new Order("book", 2)).id();
				assertThat(attempt(context)).isEqualTo(1);
				assertThat(attempt(context)).isEqualTo(2);
				QueueAdmin admin = context.getBean(QueueAdmin.class);
				Await.until("it is a dead letter",
						() -> receive(context.getBean(QueueReceiver.class), "limited").isEmpty()
								&& admin.deadLetters("limited", 10).stream().anyMatch((letter) -> letter.id() == id));
			});
	}

	@Test
	void anApplicationMayPublishItsOwn() {
		Applications.quickRunner(this.database)
			.withUserConfiguration(Own.class)
			.run((context) -> assertThat(context.getBeansOfType(QueueReceiver.class)).containsOnlyKeys("mine"));
	}

	private int attempt(ApplicationContext context) {
		List<ReceivedMessage<Order>> received = receive(context.getBean(QueueReceiver.class), "limited");
		this.database.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp()")
			.update();
		return received.get(0).message().attempt();
	}

	private static List<ReceivedMessage<Order>> receive(QueueReceiver receiver, String queue) {
		return receiver.receive(queue, Order.class, 10, Duration.ofMinutes(1));
	}

	private List<String> instances(ReceivedMessage<Order> received) {
		return this.database.jdbc()
			.sql("SELECT instance FROM pgqueue.worker WHERE id = ?")
			.param(Long.parseLong(received.receipt().substring(0, received.receipt().indexOf('-'))))
			.query(String.class)
			.list();
	}

	record Order(String item, int quantity) {
	}

	@Configuration(proxyBeanMethods = false)
	static class Own {

		@Bean
		Queue own() {
			return new Queue("own");
		}

		@Bean
		QueueReceiver mine(DataSource dataSource) {
			return QueueReceiver.builder(dataSource).build();
		}

	}

}
