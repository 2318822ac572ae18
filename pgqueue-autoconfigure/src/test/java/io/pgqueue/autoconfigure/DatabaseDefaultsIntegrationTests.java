package io.pgqueue.autoconfigure;

import java.util.List;
import java.util.Map;

import javax.sql.DataSource;

import io.pgqueue.QueueOperations;
import io.pgqueue.SendResult;
import io.pgqueue.admin.DeadLetter;
import io.pgqueue.admin.QueueAdmin;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

/**
 * Databases and pools whose defaults are not PostgreSQL's.
 */
@PgQueueDatabase
class DatabaseDefaultsIntegrationTests {

	private final TestDatabase database;

	DatabaseDefaultsIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeEach
	void emptyDatabase() {
		Applications.empty(this.database);
	}

	@AfterEach
	void resetDatabase() {
		alterDatabase("RESET ALL");
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', quoteCharacter = '"',
			textBlock = """
					work_mem = '4MB'  | pgqueue.enabled=true
					default_transaction_isolation = serializable | pgqueue.enabled=true
					default_transaction_isolation = 'repeatable read' | pgqueue.enabled=true
					work_mem = '4MB'  | spring.datasource.hikari.auto-commit=false
					work_mem = '4MB'  | spring.datasource.hikari.transaction-isolation=TRANSACTION_SERIALIZABLE
					default_transaction_isolation = serializable | spring.datasource.hikari.auto-commit=false
					default_transaction_deferrable = on | spring.datasource.hikari.transaction-isolation=TRANSACTION_SERIALIZABLE
					search_path = ''  | spring.datasource.hikari.auto-commit=false
					standard_conforming_strings = off | spring.datasource.hikari.auto-commit=false
					""")
	void sendingListeningRetryingAndGivingUpWork(String databaseSetting, String poolSetting) {
		alterDatabase("SET " + databaseSetting);
		Applications.runner(this.database)
			.withUserConfiguration(Inbox.class)
			.withPropertyValues(poolSetting, "pgqueue.retry.initial=10ms", "pgqueue.retry.max-attempts=3")
			.run(this::assertEverythingWorks);
	}

	private void assertEverythingWorks(AssertableApplicationContext context) {
		assertThat(context).hasNotFailed();
		QueueOperations queues = context.getBean(QueueOperations.class);
		TransactionTemplate transaction = context.getBean(TransactionTemplate.class);
		List<String> received = context.getBean(Inbox.class).received();
		queues.send("inbox", "alone");
		queues.sendAll("inbox", List.of("all 1", "all 2"));
		transaction.executeWithoutResult((status) -> queues.send("inbox", "in a transaction"));
		assertThatIllegalStateException().isThrownBy(() -> transaction.executeWithoutResult((status) -> {
			queues.send("inbox", "rolled back");
			throw new IllegalStateException("roll back");
		}));
		SendResult failing = queues.send("inbox", "fail", (options) -> options.header("tenant", "acme"));
		Await.until("all were handled",
				() -> received.containsAll(List.of("alone", "all 1", "all 2", "in a transaction")));
		Await.until("one was given up", () -> !deadLetters(context).isEmpty());
		assertThat(deadLetters(context)).singleElement().satisfies((dead) -> {
			assertThat(dead.id()).isEqualTo(failing.id());
			assertThat(dead.attempts()).isEqualTo(3);
			assertThat(dead.errorMessage()).isEqualTo("Asked to fail by 'fail'");
		});
		assertThat(received.stream().filter("fail"::equals)).hasSize(3);
		assertThat(received).hasSize(7).doesNotContain("rolled back");
		Await.until("everything is settled", () -> left().equals(Map.of("lease", 0L, "retry", 0L)));
		assertThat(JdbcClient.create(context.getBean(DataSource.class)).sql("SELECT 1").query(Integer.class).single())
			.isOne();
	}

	private static List<DeadLetter> deadLetters(AssertableApplicationContext context) {
		return context.getBean(QueueAdmin.class).deadLetters("inbox", 10);
	}

	private Map<String, Long> left() {
		return Map.of("lease", count("pgqueue.lease"), "retry", count("pgqueue.retry"));
	}

	private long count(String table) {
		return this.database.jdbc().sql("SELECT count(*) FROM " + table).query(Long.class).single();
	}

	private void alterDatabase(String change) {
		this.database.jdbc().sql("ALTER DATABASE " + this.database.name() + " " + change).update();
	}

}
