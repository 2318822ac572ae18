package io.pgqueue.listener;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import javax.sql.DataSource;

import io.pgqueue.AckMode;
import io.pgqueue.listener.TransactionManagers.Manager;
import io.pgqueue.listener.TransactionMatrix.Handlers;
import io.pgqueue.listener.TransactionMatrix.Scenario;
import io.pgqueue.listener.TransactionMatrix.Work;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.aop.support.AopUtils;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.transaction.PlatformTransactionManager;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What becomes of a message, of its handler's effects and of what its handler sent, by
 * transaction manager, by the pool's autocommit, by what opens the transaction, and by
 * what happens inside it.
 */
@PgQueueDatabase
class TransactionMatrixIntegrationTests {

	/**
	 * Handlers of {@link Handlers} whose transaction acknowledges.
	 */
	private static final List<String> ACKNOWLEDGING = List.of("AUTO required", "AUTO requiresNew", "AUTO nested",
			"AUTO repeatableRead", "AUTO serializable", "AUTO batch", "TRANSACTIONAL bare", "TRANSACTIONAL bareBatch",
			"TRANSACTIONAL required", "MANUAL manual");

	private static final String TEMPLATE = "AUTO template";

	private static final String WITHOUT = "AUTO bare";

	private static final List<String> READ_ONLY = List.of("AUTO readOnly", "AUTO readOnlyTemplate");

	private static final Map<String, String> LEFT_BY_READ_ONLY = Map.of("reads", "1:", "throws", "2:", "sends", "2:",
			"inner commits and outer throws", "2: inner@1 inner@2");

	private final TestDatabase database;

	private AnnotationConfigApplicationContext context;

	private TestApplication application;

	private Manager manager;

	TransactionMatrixIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
		database.jdbc().sql("CREATE TABLE effect (id bigserial PRIMARY KEY, message text, who text)").update();
	}

	@AfterEach
	void close() {
		this.application.close();
		this.context.close();
	}

	@ParameterizedTest(name = "{0}, autocommit {1}")
	@CsvSource({ "JDBC, true", "JDBC, false", "JPA, true", "JPA, false" })
	void effectsMessagesAndAcknowledgementAreOneWhereTheTransactionAcknowledges(Manager manager, boolean autocommit) {
		start(manager, autocommit);
		Map<String, String> expected = new TreeMap<>();
		Map<String, String> held = new TreeMap<>();
		ACKNOWLEDGING.forEach((row) -> {
			Map<String, String> left = left((scenario) -> isPossible(row, scenario) ? scenario.acknowledging : null);
			listen(row, left, expected);
			left.keySet().forEach((scenario) -> held.put(row + " " + scenario, "0"));
		});
		Map<String, String> ofTemplate = left((scenario) -> scenario.template);
		listen(TEMPLATE, ofTemplate, expected);
		ofTemplate.keySet().forEach((scenario) -> held.put(TEMPLATE + " " + scenario, "1"));
		held.remove(TEMPLATE + " " + Scenario.MARKS_ROLLBACK_ONLY);
		Map<String, String> ofNone = left((scenario) -> scenario.without);
		listen(WITHOUT, ofNone, expected);
		READ_ONLY.forEach((row) -> {
			listen(row, LEFT_BY_READ_ONLY, expected);
			LEFT_BY_READ_ONLY.keySet().forEach((scenario) -> held.put(row + " " + scenario, "1"));
		});
		Work work = run(expected);
		assertThat(left(work, sent())).as("messages that were sent").isEqualTo(expected);
		if (!autocommit) {
			// Nobody commits what plain JDBC does outside a transaction.
			ofNone.forEach((scenario, left) -> expected.put(WITHOUT + " " + scenario, left.replaceAll(" outer@.", "")));
		}
		assertThat(left(work, effects())).as("effects").isEqualTo(expected);
		assertThat(named(work.heldAtCommit)).as("leases of the message when the transaction had committed")
			.isEqualTo(held);
	}

	private boolean isPossible(String row, Scenario scenario) {
		// A transaction of the container has no status to mark, and a manual delivery
		// stays open after a rollback.
		return row.startsWith("AUTO") || scenario != Scenario.MARKS_ROLLBACK_ONLY;
	}

	private Map<String, String> left(Function<Scenario, String> left) {
		Map<String, String> all = new TreeMap<>();
		Stream.of(Scenario.values())
			// Hibernate has no savepoints for Spring.
			.filter((scenario) -> this.manager == Manager.JDBC || !scenario.hasSavepoint())
			.filter((scenario) -> left.apply(scenario) != null)
			.forEach((scenario) -> all.put(scenario.name(), left.apply(scenario)));
		return all;
	}

	private void start(Manager manager, boolean autocommit) {
		this.manager = manager;
		this.database.jdbc().sql("TRUNCATE effect").update();
		this.context = new AnnotationConfigApplicationContext();
		DataSource pool = this.database.pool((config) -> {
			config.setMaximumPoolSize(40);
			config.setAutoCommit(autocommit);
			config.setIsolateInternalQueries(true);
		});
		this.context.registerBean(TestDatabase.class, () -> this.database,
				(definition) -> definition.setDestroyMethodName(""));
		this.context.registerBean(DataSource.class, () -> pool);
		this.context.register(manager.configuration, Work.class, Handlers.class);
		this.context.refresh();
		this.application = TestApplication.builder(this.database)
			.pooled(pool)
			.beans(this.context.getBeanFactory())
			.build();
		this.context.getBean(Work.class).sendTo = this.application.declareQueue();
	}

	private void listen(String row, Map<String, String> left, Map<String, String> expected) {
		AckMode mode = AckMode.valueOf(row.split(" ")[0]);
		String handler = row.split(" ")[1];
		String queue = queue(row);
		Object bean = this.context.getBean(Handlers.class);
		ContainerOptions.Builder options = TestApplication.options(queue).ackMode(mode);
		if (handler.toLowerCase().contains("batch")) {
			options.batchSize(1);
		}
		if (mode == AckMode.TRANSACTIONAL) {
			options.transactionManager(this.context.getBean(PlatformTransactionManager.class));
		}
		this.application.listen(options.build(), bean,
				Arrays.stream(Handlers.class.getDeclaredMethods())
					.filter((method) -> method.getName().equals(handler))
					.map((method) -> AopUtils.selectInvocableMethod(method, bean.getClass()))
					.findFirst()
					.orElseThrow());
		this.application.queues().sendAll(queue, List.copyOf(left.keySet()));
		left.forEach((scenario, effects) -> expected.put(row + " " + scenario, effects));
	}

	private static String queue(String row) {
		return row.replace(' ', '-');
	}

	private Work run(Map<String, String> expected) {
		this.application.start();
		Map<String, Long> perQueue = expected.keySet()
			.stream()
			.map((key) -> key.split(" "))
			.collect(Collectors.groupingBy((key) -> queue(key[0] + " " + key[1]), Collectors.counting()));
		perQueue.forEach((queue, count) -> Await.until(queue + " is done",
				() -> this.application.events().completed(queue) == count));
		Work work = this.context.getBean(Work.class);
		perQueue.forEach((queue, count) -> assertThat(this.application.events().failed(queue))
			.as("each failure in " + queue + " is another delivery")
			.isEqualTo(work.deliveries.stream().filter((key) -> key.startsWith(queue + " ")).count() - count));
		assertThat(this.database.jdbc()
			.sql("SELECT (SELECT count(*) FROM pgqueue.lease) + (SELECT count(*) FROM pgqueue.retry)")
			.query(Integer.class)
			.single()).as("left over").isZero();
		return work;
	}

	/**
	 * For each message "deliveries: effects".
	 */
	private Map<String, String> left(Work work, Map<String, List<String>> effects) {
		Map<String, String> left = new TreeMap<>();
		work.deliveries.stream()
			.collect(Collectors.groupingBy(Function.identity(), Collectors.counting()))
			.forEach((message, deliveries) -> left.put(message,
					(deliveries + ": " + String.join(" ", effects.getOrDefault(message, List.of()))).strip()));
		return named(left);
	}

	// Names of queues have no spaces.
	private static Map<String, String> named(Map<String, ?> byMessage) {
		return byMessage.entrySet()
			.stream()
			.collect(Collectors.toMap((entry) -> entry.getKey().replaceFirst("-", " "),
					(entry) -> entry.getValue().toString(), (one, other) -> other, TreeMap::new));
	}

	private Map<String, List<String>> effects() {
		return grouped("SELECT message, who FROM effect ORDER BY who");
	}

	private Map<String, List<String>> sent() {
		return grouped("SELECT m.headers ->> 'message', m.payload #>> '{}' FROM pgqueue.message m"
				+ " JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = '"
				+ this.context.getBean(Work.class).sendTo + "' ORDER BY 2");
	}

	private Map<String, List<String>> grouped(String sql) {
		return this.database.jdbc()
			.sql(sql)
			.query((row, number) -> List.of(row.getString(1), row.getString(2)))
			.list()
			.stream()
			.collect(Collectors.groupingBy((row) -> row.get(0),
					Collectors.mapping((row) -> row.get(1), Collectors.toList())));
	}

}
