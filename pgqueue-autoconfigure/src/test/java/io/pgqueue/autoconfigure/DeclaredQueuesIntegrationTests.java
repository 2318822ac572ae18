package io.pgqueue.autoconfigure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.QueueOperations;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.test.context.ConfigDataApplicationContextInitializer;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.env.SystemEnvironmentPropertySource;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class DeclaredQueuesIntegrationTests {

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	@TempDir
	private Path directory;

	DeclaredQueuesIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.quickRunner(database);
	}

	@BeforeEach
	void forgetQueues() {
		this.database.jdbc().sql("TRUNCATE pgqueue.queue, pgqueue.subscription, pgqueue.lane, pgqueue.cursor").update();
	}

	@ParameterizedTest
	@ValueSource(strings = { "orders: {}", "orders:", "orders: ''", "orders: { concurrency: 2 }",
			"orders: { batch-size: 3 }", "orders: { batchSize: 3 }", "orders: { poll-interval: 2s }" })
	void anEntryInYamlDeclaresAQueue(String entry) throws IOException {
		withYaml(entry).run((context) -> {
			assertDeclared(context, "orders");
			assertThat(context.getBean(QueueOperations.class).send("orders", "hello").queue()).isEqualTo("orders");
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "'[orders.eu]': {}", "'[orders.eu]':", "'[orders.eu]': { concurrency: 2 }",
			"\"[orders.eu]\":\n      concurrency: 2" })
	void aNameWithDotsAndBracketsDeclaresAQueue(String entry) throws IOException {
		withYaml(entry).run((context) -> assertDeclared(context, "orders.eu"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "Orders_EU-1", "ORDERS", "1", "under_score", "dash-dash" })
	void aNameWithoutDotsNeedsNoBrackets(String name) throws IOException {
		withYaml("'" + name + "': { concurrency: 2 }").run((context) -> {
			assertDeclared(context, name);
			assertThat(context.getBean(PgQueueProperties.class).queues()).containsOnlyKeys(name);
		});
	}

	@Test
	void severalEntriesDeclareSeveralQueuesWithTheirOwnSettings() throws IOException {
		withYaml("""
				orders:
				      concurrency: 3
				    "[orders.eu]":
				      concurrency: 4
				    payments: {}
				""").run((context) -> {
			assertDeclared(context, "orders", "orders.eu", "payments");
			Map<String, PgQueueProperties.Settings> settings = context.getBean(PgQueueProperties.class).queues();
			assertThat(settings.get("orders").concurrency()).isEqualTo(3);
			assertThat(settings.get("orders.eu").concurrency()).isEqualTo(4);
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "orders.eu: { concurrency: 2 }", "orders.eu: {}", "orders.eu:",
			"orders: { eu: { concurrency: 2 } }" })
	void aNameWithDotsButWithoutBracketsFailsWithTheHint(String entry) throws IOException {
		assertFails(entry, "pgqueue.queues.orders.eu", "[orders.eu]");
	}

	@Test
	void anUnknownSettingFails() throws IOException {
		assertFails("orders: { retries: 2 }", "pgqueue.queues.orders.retries");
	}

	@ParameterizedTest
	@ValueSource(strings = { "'[two words]': {}", "'[slash/slash]': {}", "'[ümlaut]': { concurrency: 1 }" })
	void anInvalidNameInBracketsFailsReadably(String entry) throws IOException {
		assertFails(entry, "Invalid queue name");
	}

	@ParameterizedTest
	@ValueSource(strings = { "'two words': {}", "'slash/slash': { concurrency: 1 }", "'ümlaut': {}" })
	void anInvalidNameWithoutBracketsDoesNotSilentlyBecomeAnother(String entry) throws IOException {
		assertFails(entry, "brackets");
	}

	@Test
	void aNameThatIsTooLongFailsReadably() throws IOException {
		assertFails("'[" + "a".repeat(101) + "]': {}", "Invalid queue name", "1 to 100 characters");
	}

	@Test
	void beansDeclareQueues() {
		this.application.withBean("first", Queue.class, () -> new Queue("orders"))
			.withBean("second", Queue.class, () -> new Queue("orders.eu"))
			.run((context) -> assertThat(context.getBean(QueueAdmin.class).queues()).containsExactly("orders",
					"orders.eu"));
	}

	@Test
	void aBeanWithAnInvalidNameFailsReadably() {
		this.application.withBean(Queue.class, () -> new Queue("or ders"))
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining("'or ders'"));
	}

	@Test
	void aListenerWithAnInvalidNameFailsReadably() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("inbox.queue=in/box")
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.hasMessageContaining("'in/box'"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "PGQUEUE_QUEUES_ORDERS_CONCURRENCY", "PGQUEUE_QUEUES_ORDERS_BATCHSIZE",
			"PGQUEUE_QUEUES_ORDERS_BATCH_SIZE" })
	void anEnvironmentVariableDeclaresAQueue(String variable) {
		this.application
			.withInitializer((context) -> context.getEnvironment()
				.getPropertySources()
				.addFirst(new SystemEnvironmentPropertySource("test-systemEnvironment", Map.of(variable, "2"))))
			.run((context) -> {
				assertThat(context).hasNotFailed();
				assertThat(context.getBean(QueueAdmin.class).queues()).containsExactly("orders");
				PgQueueProperties.Settings settings = context.getBean(PgQueueProperties.class).queues().get("orders");
				assertThat(settings.concurrency() != null || settings.batchSize() != null).isTrue();
			});
	}

	@Test
	void whatIsDeclaredTwiceIsOneQueue() {
		this.application.withUserConfiguration(Inbox.class)
			.withBean(Queue.class, () -> new Queue("inbox"))
			.withPropertyValues("pgqueue.queues.inbox.concurrency=2")
			.run((context) -> assertThat(context.getBean(QueueAdmin.class).queues()).containsExactly("inbox"));
	}

	@Test
	void aWholeApplicationReadsItsFileLikewise() throws IOException {
		Files.writeString(this.directory.resolve("application.yml"), "pgqueue.queues:\n  orders:\n");
		try (ConfigurableApplicationContext context = Applications.start(this.database, Application.class,
				"spring.config.location=" + this.directory.toUri())) {
			assertDeclared(context, "orders");
		}
	}

	private ApplicationContextRunner withYaml(String entries) throws IOException {
		Files.writeString(this.directory.resolve("application.yml"), "pgqueue:\n  queues:\n    " + entries + "\n");
		return this.application.withInitializer(new ConfigDataApplicationContextInitializer())
			.withPropertyValues("spring.config.location=" + this.directory.toUri());
	}

	private void assertFails(String entries, String... sentence) throws IOException {
		withYaml(entries).run((context) -> {
			assertThat(context).hasFailed();
			assertThat(Failures.ofOurs(context)).isInstanceOf(InvalidConfigurationException.class)
				.message()
				.contains(sentence);
		});
	}

	private static void assertDeclared(ApplicationContext context, String... names) {
		assertThat(context.getBean(QueueAdmin.class).queues()).containsExactly(names);
	}

	@WholeApplication
	static class Application {

	}

}
