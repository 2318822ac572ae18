package io.pgqueue.autoconfigure;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

import io.pgqueue.PgQueueException;
import io.pgqueue.QueueOperations;
import io.pgqueue.SchemaException;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Import;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class SchemaPropertiesIntegrationTests {

	private static final String CHECK_ONLY = "pgqueue.migration.enabled=false";

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	SchemaPropertiesIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.runner(database).withUserConfiguration(Inbox.class);
	}

	@BeforeEach
	void emptyDatabase() {
		Applications.empty(this.database);
	}

	@Test
	void aMissingSchemaIsNamedWhenItMustNotBeCreated() {
		this.application.withPropertyValues(CHECK_ONLY)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(SchemaException.class)
				.hasMessageContaining("Schema \"pgqueue\" lacks function")
				.hasMessageContaining("pgqueue.migration.enabled=true"));
		assertThat(schemas()).containsExactly("public");
	}

	@Test
	void anIncompleteSchemaIsNamedWhenItMustNotBeUpgraded() {
		this.database.migrate();
		this.database.jdbc().sql("DROP FUNCTION pgqueue.beat(bigint)").update();
		this.application.withPropertyValues(CHECK_ONLY)
			.run((context) -> assertThat(context).getFailure()
				.rootCause()
				.isInstanceOf(SchemaException.class)
				.hasMessageContaining("lacks function \"pgqueue\".beat(bigint)"));
	}

	@Test
	void aCompleteSchemaIsUsedAsItIs() {
		this.database.migrate();
		this.application.withPropertyValues(CHECK_ONLY).run(SchemaPropertiesIntegrationTests::assertMessageArrives);
	}

	@Test
	void aUserThatMayNotCreateAnythingUsesACompleteSchema() {
		TestUser user = userOfCompleteSchema();
		Applications.runner(this.database, user)
			.withUserConfiguration(Inbox.class)
			.withPropertyValues(CHECK_ONLY)
			.run(SchemaPropertiesIntegrationTests::assertMessageArrives);
	}

	@Test
	void aUserThatMayNotCreateAnythingNeedNotSayThatThereIsNothingToMigrate() {
		TestUser user = userOfCompleteSchema();
		Applications.runner(this.database, user)
			.withUserConfiguration(Inbox.class)
			.run(SchemaPropertiesIntegrationTests::assertMessageArrives);
	}

	@Test
	void aUserThatMayNotCreateTheSchemaIsToldWhatToDo() {
		Applications.runner(this.database, this.database.createUser())
			.run((context) -> assertThat(Failures.ofOurs(context)).isInstanceOf(SchemaException.class)
				.hasMessageContaining("may not create schema \"pgqueue\"")
				.hasMessageContaining("pgqueue.migration.enabled=false"));
	}

	@ParameterizedTest
	@ValueSource(strings = { "other", "My-Queue 1", "quoted\"name", "select" })
	void theSchemaMayHaveAnyName(String schema) {
		this.application.withPropertyValues("pgqueue.schema=" + schema).run((context) -> {
			assertMessageArrives(context);
			assertThat(schemas()).containsExactlyInAnyOrder("public", schema);
		});
		this.application.withPropertyValues("pgqueue.schema=" + schema, CHECK_ONLY)
			.run(SchemaPropertiesIntegrationTests::assertMessageArrives);
	}

	@ParameterizedTest
	@ValueSource(strings = { "", " ", "pg_queue",
			"a-name-that-is-longer-than-the-sixty-three-bytes-which-postgresql-keeps" })
	void aSchemaThatCannotExistFailsReadably(String schema) {
		this.application.withPropertyValues("pgqueue.schema=" + schema).run((context) -> {
			assertThat(context).hasFailed();
			assertThat(Failures.ofOurs(context)).isInstanceOf(PgQueueException.class)
				.hasMessageContaining("schema")
				.hasMessageContaining(schema);
		});
		assertThat(schemas()).containsExactly("public");
	}

	@Test
	void applicationsWithDifferentSchemasDoNotSeeEachOther() {
		this.application.withPropertyValues("pgqueue.schema=one").run((one) -> {
			assertMessageArrives(one);
			this.application.withPropertyValues("pgqueue.schema=two", "pgqueue.queues.only-two.concurrency=1")
				.run((two) -> {
					one.getBean(QueueOperations.class).send("inbox", "for one");
					two.getBean(QueueOperations.class).send("inbox", "for two");
					Await.until("both have arrived", () -> one.getBean(Inbox.class).received().contains("for one")
							&& two.getBean(Inbox.class).received().contains("for two"));
					assertThat(one.getBean(Inbox.class).received()).doesNotContain("for two");
					assertThat(two.getBean(Inbox.class).received()).containsExactly("for two");
					assertThat(one.getBean(QueueAdmin.class).queues()).containsExactly("inbox");
					assertThat(two.getBean(QueueAdmin.class).queues()).containsExactly("inbox", "only-two");
				});
		});
	}

	@Test
	void tenApplicationsMayStartAtOnceOnAnEmptyDatabase() {
		startAtOnce(10);
	}

	@Test
	void applicationsMayStartAtOnceWhenTheDatabaseIsSerializableByDefault() {
		this.database.jdbc()
			.sql("ALTER DATABASE " + this.database.name() + " SET default_transaction_isolation = serializable")
			.update();
		try {
			startAtOnce(6);
		}
		finally {
			this.database.jdbc()
				.sql("ALTER DATABASE " + this.database.name() + " RESET default_transaction_isolation")
				.update();
		}
	}

	private void startAtOnce(int count) {
		ExecutorService executor = Executors.newFixedThreadPool(count);
		CountDownLatch go = new CountDownLatch(1);
		List<CompletableFuture<ConfigurableApplicationContext>> starting = new ArrayList<>();
		try {
			for (int i = 0; i < count; i++) {
				starting.add(CompletableFuture.supplyAsync(() -> {
					awaitQuietly(go);
					return Applications.start(this.database, Application.class,
							"spring.datasource.hikari.maximum-pool-size=2");
				}, executor));
			}
			go.countDown();
			starting.forEach(CompletableFuture::join);
			starting.get(0).join().getBean(QueueOperations.class).send("inbox", "hello");
			Await.until("one of them has handled it",
					() -> starting.stream()
						.flatMap((started) -> started.join().getBean(Inbox.class).received().stream())
						.toList()
						.equals(List.of("hello")));
		}
		finally {
			starting.forEach((started) -> {
				if (!started.isCompletedExceptionally()) {
					started.join().close();
				}
			});
			executor.shutdown();
		}
	}

	private static void awaitQuietly(CountDownLatch latch) {
		try {
			latch.await();
		}
		catch (InterruptedException ex) {
			throw new IllegalStateException(ex);
		}
	}

	private TestUser userOfCompleteSchema() {
		this.database.migrate();
		this.application.run((context) -> assertThat(context).hasNotFailed());
		TestUser user = this.database.createUser();
		this.database.grantUse(user, TestDatabase.SCHEMA);
		return user;
	}

	private List<String> schemas() {
		return this.database.jdbc()
			.sql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
			.query(String.class)
			.list();
	}

	private static void assertMessageArrives(AssertableApplicationContext context) {
		assertThat(context).hasNotFailed();
		context.getBean(QueueOperations.class).send("inbox", "hello");
		Await.until("the message has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
	}

	@WholeApplication
	@Import(Inbox.class)
	static class Application {

	}

}
