package io.pgqueue.schema;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import io.pgqueue.SchemaException;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.EngineFunctions;
import io.pgqueue.engine.MessageLog;
import io.pgqueue.engine.Queues;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class SchemaMigratorIntegrationTests {

	private final TestDatabase database;

	SchemaMigratorIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void tenApplicationsThatStartAtOnceOnAnEmptyDatabaseAllSucceed() throws Exception {
		int applications = 10;
		CyclicBarrier barrier = new CyclicBarrier(applications);
		Callable<Boolean> start = () -> {
			SchemaMigrator migrator = migrator("at once");
			barrier.await();
			migrator.migrate();
			return true;
		};
		ExecutorService executor = Executors.newFixedThreadPool(applications);
		try {
			List<Callable<Boolean>> starts = new ArrayList<>();
			for (int i = 0; i < applications; i++) {
				starts.add(start);
			}
			for (Future<Boolean> one : executor.invokeAll(starts)) {
				assertThat(one.get()).isTrue();
			}
		}
		finally {
			executor.shutdownNow();
		}
		assertThat(this.database.jdbc()
			.sql("SELECT script FROM \"at once\".pgqueue_schema_history GROUP BY script HAVING count(*) > 1")
			.query(String.class)
			.list()).isEmpty();
		assertThat(this.database.jdbc()
			.sql("SELECT bool_and(success) FROM \"at once\".pgqueue_schema_history")
			.query(Boolean.class)
			.single()).isTrue();
		migrator("at once").check();
	}

	@Test
	void migratingAgainChangesNothing() {
		migrator("again").migrate();
		List<String> before = history("again");
		migrator("again").migrate();
		assertThat(history("again")).isEqualTo(before).isNotEmpty();
	}

	@ParameterizedTest
	@ValueSource(strings = { "My-Queue 1", "Ümläut", "semi;colon", "$dollar$", "double\"quote" })
	void theNameOfTheSchemaMayBeAnything(String schema) {
		migrator(schema).migrate();
		migrator(schema).migrate();
		migrator(schema).check();
		Database access = new Database(this.database.dataSource(), schema);
		new Queues(access).declare("orders");
		assertThat(new MessageLog(access).send("orders", List.of("1"), List.of("{}"))).hasSize(1);
	}

	@Test
	void aSchemaThatHoldsSomethingOfTheApplicationIsUsedAllTheSame() {
		this.database.jdbc().sql("CREATE SCHEMA shared").update();
		this.database.jdbc().sql("CREATE TABLE shared.orders (id integer PRIMARY KEY)").update();
		migrator("shared").migrate();
		migrator("shared").check();
		assertThat(this.database.jdbc().sql("SELECT count(*) FROM shared.orders").query(Long.class).single()).isZero();
	}

	@Test
	void aCheckNamesTheFunctionThatIsMissing() {
		migrator("incomplete").migrate();
		this.database.jdbc().sql("DROP FUNCTION incomplete.beat(bigint)").update();
		assertThatExceptionOfType(SchemaException.class).isThrownBy(() -> migrator("incomplete").check())
			.withMessageContaining("\"incomplete\" lacks function \"incomplete\".beat(bigint)")
			.withMessageContaining("pgqueue.migration.enabled=true");
		assertThatExceptionOfType(SchemaException.class).isThrownBy(() -> migrator("incomplete").migrate())
			.withMessageContaining("beat(bigint)");
	}

	@Test
	void aFunctionWithOtherArgumentsCountsAsMissing() {
		migrator("other arguments").migrate();
		this.database.jdbc().sql("DROP FUNCTION \"other arguments\".beat(bigint)").update();
		this.database.jdbc()
			.sql("CREATE FUNCTION \"other arguments\".beat(text) RETURNS boolean LANGUAGE sql AS 'SELECT true'")
			.update();
		assertThatExceptionOfType(SchemaException.class).isThrownBy(() -> migrator("other arguments").check())
			.withMessageContaining("beat(bigint)");
	}

	@Test
	void aCheckOfAnEmptyDatabaseFailsAndCreatesNothing() {
		assertThatExceptionOfType(SchemaException.class).isThrownBy(() -> migrator("nothing").check())
			.withMessageContaining("\"nothing\" lacks function");
		assertThat(this.database.jdbc().sql("SELECT to_regnamespace('nothing') IS NULL").query(Boolean.class).single())
			.isTrue();
	}

	@Test
	void aUserWithoutTheRightToCreateASchemaIsToldWhatToDo() {
		TestUser user = this.database.createUser();
		SchemaMigrator migrator = new SchemaMigrator(this.database.directDataSource(user), "forbidden",
				EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION);
		assertThatExceptionOfType(SchemaException.class).isThrownBy(migrator::migrate)
			.withMessageContaining("User " + user.name() + " may not create schema \"forbidden\"")
			.withMessageContaining("pgqueue.migration.enabled=false");
		assertThat(
				this.database.jdbc().sql("SELECT to_regnamespace('forbidden') IS NULL").query(Boolean.class).single())
			.isTrue();
	}

	/**
	 * Flyway tries for ten seconds.
	 */
	@Test
	@Tag("long")
	void aUserWithoutTheRightToChangeASchemaThatExistsIsToldWhatToDo() {
		this.database.jdbc().sql("CREATE SCHEMA protected").update();
		TestUser user = this.database.createUser();
		this.database.grantUse(user, "protected");
		SchemaMigrator migrator = new SchemaMigrator(this.database.directDataSource(user), "protected",
				EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION);
		assertThatExceptionOfType(SchemaException.class).isThrownBy(migrator::migrate)
			.withMessageContaining("\"protected\"")
			.withMessageContaining("pgqueue.migration.enabled=false");
	}

	@Test
	void aUserWhoMaySeeNothingOfTheSchemaIsToldSo() {
		migrator("hidden").migrate();
		TestUser user = this.database.createUser();
		SchemaMigrator migrator = new SchemaMigrator(this.database.directDataSource(user), "hidden",
				EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION);
		assertThatExceptionOfType(SchemaException.class).isThrownBy(migrator::check)
			.withMessageContaining("\"hidden\"")
			.withMessageContaining("permission denied");
	}

	@Test
	void aUserWhoMayOnlyReadAndWriteStartsOnASchemaThatIsUpToDate() {
		migrator("granted").migrate();
		TestUser user = this.database.createUser();
		this.database.grantUse(user, "granted");
		SchemaMigrator migrator = new SchemaMigrator(this.database.directDataSource(user), "granted",
				EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION);
		migrator.check();
		migrator.migrate();
	}

	/**
	 * The others wait for as long as it takes, whatever timeouts the database sets.
	 */
	@Test
	void waitingForAnotherMigrationIsNotCutShortByTheTimeoutsOfTheDatabase() throws Exception {
		String alter = "ALTER DATABASE " + this.database.name();
		this.database.jdbc().sql(alter + " SET statement_timeout = '300ms'").update();
		this.database.jdbc().sql(alter + " SET idle_in_transaction_session_timeout = '300ms'").update();
		try (Session other = new Session(this.database.directDataSource())) {
			other.execute("SET idle_in_transaction_session_timeout = 0");
			other.execute("BEGIN");
			other.jdbc()
				.sql("SELECT pg_advisory_xact_lock(hashtextextended('pgqueue migration of patient', 0))::text")
				.query(String.class)
				.single();
			CompletableFuture<Void> migration = CompletableFuture.runAsync(() -> migrator("patient").migrate());
			Await.until("it has waited longer than the timeout",
					() -> this.database.jdbc()
						.sql("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() "
								+ "AND wait_event = 'advisory' AND clock_timestamp() - query_start > interval '600 ms'")
						.query(Boolean.class)
						.single());
			other.commit();
			migration.get(20, TimeUnit.SECONDS);
		}
		finally {
			this.database.jdbc().sql(alter + " RESET statement_timeout").update();
			this.database.jdbc().sql(alter + " RESET idle_in_transaction_session_timeout").update();
		}
		migrator("patient").check();
	}

	@Test
	void aSchemaIsMigratedFromAnyDefaultIsolationLevel() {
		String alter = "ALTER DATABASE " + this.database.name();
		this.database.jdbc().sql(alter + " SET default_transaction_isolation = 'serializable'").update();
		try {
			migrator("serializable").migrate();
			migrator("serializable").check();
		}
		finally {
			this.database.jdbc().sql(alter + " RESET default_transaction_isolation").update();
		}
	}

	private List<String> history(String schema) {
		return this.database.jdbc()
			.sql("SELECT installed_rank || ' ' || script || ' ' || installed_on FROM \"" + schema
					+ "\".pgqueue_schema_history ORDER BY installed_rank")
			.query(String.class)
			.list();
	}

	private SchemaMigrator migrator(String schema) {
		return new SchemaMigrator(this.database.directDataSource(), schema, EngineFunctions.SIGNATURES,
				SchemaMigrator.LOCATION);
	}

}
