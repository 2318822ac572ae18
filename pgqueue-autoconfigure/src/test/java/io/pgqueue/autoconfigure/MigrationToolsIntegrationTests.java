package io.pgqueue.autoconfigure;

import java.util.ArrayList;
import java.util.List;

import io.pgqueue.QueueEventListener;
import io.pgqueue.QueueOperations;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import liquibase.integration.spring.SpringLiquibase;
import org.flywaydb.core.Flyway;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.flyway.autoconfigure.FlywayAutoConfiguration;
import org.springframework.boot.flyway.autoconfigure.FlywayConfigurationCustomizer;
import org.springframework.boot.flyway.autoconfigure.FlywayMigrationStrategy;
import org.springframework.boot.jdbc.autoconfigure.DataSourceInitializationAutoConfiguration;
import org.springframework.boot.liquibase.autoconfigure.LiquibaseAutoConfiguration;
import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.jdbc.core.simple.JdbcClient;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Applications with and without migrations of their own.
 */
@PgQueueDatabase
class MigrationToolsIntegrationTests {

	private static final String OURS = "pgQueueSchemaInitializer";

	private final TestDatabase database;

	private final ApplicationContextRunner plain;

	private final ApplicationContextRunner flyway;

	private final ApplicationContextRunner liquibase;

	MigrationToolsIntegrationTests(TestDatabase database) {
		this.database = database;
		this.plain = Applications.runner(database);
		this.flyway = this.plain.withConfiguration(AutoConfigurations.of(FlywayAutoConfiguration.class));
		this.liquibase = this.plain.withConfiguration(AutoConfigurations.of(LiquibaseAutoConfiguration.class));
	}

	@BeforeEach
	void emptyDatabase() {
		Applications.empty(this.database);
	}

	@Test
	void ownFlywayMigrationsRunBefore() {
		this.flyway.run((context) -> {
			assertThat(context).hasSingleBean(Flyway.class).hasBean("flywayInitializer");
			assertThat(dependencies(context, OURS)).contains("flywayInitializer");
			assertApplicationMigratedBeforeQueues(context);
			assertThat(versions("public.flyway_schema_history")).containsExactly("1");
			assertThat(versions("pgqueue.pgqueue_schema_history")).contains("1");
		});
	}

	@Test
	void ownLiquibaseChangesRunBefore() {
		this.liquibase.run((context) -> {
			assertThat(context).hasSingleBean(SpringLiquibase.class);
			assertThat(dependencies(context, OURS)).contains("liquibase");
			assertApplicationMigratedBeforeQueues(context);
		});
	}

	@Test
	void startsAgainNextToOwnFlywayMigrations() {
		this.flyway.run((context) -> assertThat(context).hasNotFailed());
		this.flyway.run((context) -> {
			assertQueuesWork(context);
			assertThat(versions("public.flyway_schema_history")).containsExactly("1");
		});
	}

	@Test
	void startsAgainNextToOwnLiquibaseChanges() {
		this.liquibase.run((context) -> assertThat(context).hasNotFailed());
		this.liquibase.run(this::assertQueuesWork);
	}

	@Test
	void queuesMayBeThereBeforeOwnFlywayMigrations() {
		this.database.migrate();
		this.flyway.run((context) -> {
			assertQueuesWork(context);
			assertThat(versions("public.flyway_schema_history")).containsExactly("1");
		});
	}

	@Test
	void ownFlywaySettingsAndStrategiesSeeOnlyOwnMigrations() {
		List<String> seen = new ArrayList<>();
		this.flyway.withBean(FlywayConfigurationCustomizer.class, () -> (flyway) -> seen.add("configured"))
			.withBean(FlywayMigrationStrategy.class, () -> (flyway) -> {
				seen.add(flyway.getConfiguration().getLocations()[0].toString());
				flyway.migrate();
			})
			.withPropertyValues("spring.flyway.table=own_history")
			.run((context) -> {
				assertQueuesWork(context);
				assertThat(seen).containsExactly("configured", "classpath:db/migration");
				assertThat(versions("own_history")).containsExactly("1");
			});
	}

	@Test
	void queuesMayShareASchemaWithTheApplication() {
		ApplicationContextRunner shared = this.flyway.withPropertyValues("pgqueue.schema=public");
		shared.run((context) -> assertThat(context).hasNotFailed());
		shared.run((context) -> {
			assertQueuesWork(context);
			assertThat(versions("public.flyway_schema_history")).containsExactly("1");
		});
	}

	@ParameterizedTest
	@ValueSource(strings = { "pgqueue", "public" })
	void tablesThatNoToolHasCreatedAreLeftAlone(String schema) {
		this.database.jdbc().sql("CREATE TABLE public.legacy AS SELECT 1 AS id").update();
		this.plain.withPropertyValues("pgqueue.schema=" + schema).run((context) -> {
			assertQueuesWork(context);
			assertThat(this.database.jdbc().sql("SELECT id FROM public.legacy").query(Integer.class).single()).isOne();
		});
	}

	@Test
	void noMigrationToolIsNeeded() {
		this.plain.run((context) -> {
			assertThat(context).doesNotHaveBean(Flyway.class).doesNotHaveBean(SpringLiquibase.class);
			assertQueuesWork(context);
		});
	}

	@Test
	void worksWithAScriptNextToOwnFlywayMigrations() {
		this.flyway.withConfiguration(AutoConfigurations.of(DataSourceInitializationAutoConfiguration.class))
			.withPropertyValues("spring.sql.init.mode=always", "spring.sql.init.schema-locations=classpath:script.sql")
			.run((context) -> {
				assertQueuesWork(context);
				assertThat(this.database.jdbc().sql("SELECT count(*) FROM by_script").query(Integer.class).single())
					.isZero();
			});
	}

	@ParameterizedTest
	@ValueSource(strings = { "jdbcTemplate", "jdbcClient", "namedParameterJdbcTemplate" })
	void jdbcAccessWaitsForTheSchema(String bean) {
		this.plain.run((context) -> assertThat(dependencies(context, bean)).contains(OURS));
		this.flyway.run((context) -> assertThat(dependencies(context, bean)).contains(OURS, "flywayInitializer"));
	}

	@Test
	void anEventListenerMayWriteToTheDatabase() {
		this.flyway.withBean(Audit.class).run((context) -> {
			assertQueuesWork(context);
			Await.until("it was written down",
					() -> this.database.jdbc()
						.sql("SELECT customer FROM app_order ORDER BY id")
						.query(String.class)
						.list()
						.equals(List.of("inbox")));
		});
	}

	private void assertApplicationMigratedBeforeQueues(AssertableApplicationContext context) {
		assertThat(this.database.jdbc().sql("SELECT queues FROM migration_saw").query(Boolean.class).single())
			.isFalse();
		assertQueuesWork(context);
	}

	private void assertQueuesWork(AssertableApplicationContext context) {
		assertThat(context).hasNotFailed();
		QueueOperations queues = context.getBean(QueueOperations.class);
		Inbox inbox = new Inbox();
		context.getAutowireCapableBeanFactory().initializeBean(inbox, "late");
		queues.send("inbox", "hello");
		Await.until("the message has arrived", () -> inbox.received().contains("hello"));
	}

	private List<String> versions(String table) {
		return this.database.jdbc()
			.sql("SELECT version FROM " + table + " WHERE version IS NOT NULL AND success ORDER BY installed_rank")
			.query(String.class)
			.list();
	}

	private static List<String> dependencies(AssertableApplicationContext context, String bean) {
		assertThat(context).hasNotFailed();
		String[] names = context.getSourceApplicationContext().getBeanFactory().getBeanDefinition(bean).getDependsOn();
		return (names != null) ? List.of(names) : List.of();
	}

	static class Audit implements QueueEventListener {

		private final JdbcClient jdbc;

		Audit(JdbcClient jdbc) {
			this.jdbc = jdbc;
		}

		@Override
		public void completed(String queue, String subscription) {
			this.jdbc.sql("INSERT INTO app_order VALUES (1, ?)").param(queue).update();
		}

	}

}
