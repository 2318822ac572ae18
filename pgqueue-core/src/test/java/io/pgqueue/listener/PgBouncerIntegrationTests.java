package io.pgqueue.listener;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import javax.sql.DataSource;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.engine.EngineFunctions;
import io.pgqueue.schema.SchemaMigrator;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgBouncer;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Everything works behind a pooler that hands each transaction to another session, except
 * notifications.
 */
@PgQueueDatabase
@Tag("system")
class PgBouncerIntegrationTests {

	private final TestDatabase database;

	private final List<String> handled = new CopyOnWriteArrayList<>();

	private PgBouncer pooler;

	private HikariDataSource pool;

	PgBouncerIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeEach
	void start() throws IOException {
		this.pooler = new PgBouncer(this.database);
		this.pool = this.database.pool((config) -> config.setJdbcUrl(this.pooler.jdbcUrl()));
	}

	@AfterEach
	void stop() throws IOException {
		this.pool.close();
		this.pooler.close();
	}

	@Test
	void behindAPoolerEverythingWorksByPollingWithOneWarning() {
		new SchemaMigrator(this.pool, TestDatabase.SCHEMA, EngineFunctions.SIGNATURES, SchemaMigrator.LOCATION)
			.migrate();
		try (CapturedLog log = new CapturedLog();
				TestApplication application = TestApplication.builder(this.database)
					.pooled(this.pool)
					.direct(new DriverManagerDataSource(this.pooler.jdbcUrl(), this.database.username(),
							this.database.password()))
					.timeout(Duration.ofSeconds(2))
					.notifications()
					.build()) {
			String queue = listen(application);
			Await.until("it was noticed", () -> application.notifications() == State.SILENT);
			new TransactionTemplate(new JdbcTransactionManager(this.pool)).executeWithoutResult((status) -> {
				application.queues().send(queue, "fails once");
				application.queues().send(queue, "fails always");
				application.queues().send(queue, "delayed", (options) -> options.delay(Duration.ofMillis(100)));
			});
			new TransactionTemplate(new JdbcTransactionManager(this.pool)).executeWithoutResult((status) -> {
				application.queues().send(queue, "rolled back");
				status.setRollbackOnly();
			});
			Await.until("all are settled", () -> application.events().completed(queue) == 2
					&& application.admin().deadLetters(queue, 10).size() == 1);
			assertThat(this.handled).contains("fails once", "delayed").doesNotContain("rolled back");
			application.admin().redrive(application.admin().deadLetters(queue, 10).get(0).key());
			Await.until("it was delivered again", () -> application.admin().deadLetters(queue, 10).size() == 1
					&& application.events().deadLettered(queue) == 2);
			assertThat(log.lines(Level.WARN)).filteredOn((line) -> !line.contains("dead letter"))
				.singleElement()
				.asString()
				.contains("PgBouncer")
				.contains("pgqueue.direct.url");
		}
	}

	@Test
	void aSessionOfAPoolerIsNotLeftListening() throws IOException {
		this.database.migrate();
		try (PgBouncer single = new PgBouncer(this.database, 1)) {
			DataSource direct = new DriverManagerDataSource(single.jdbcUrl(), this.database.username(),
					this.database.password());
			try (TestApplication application = TestApplication.builder(this.database)
				.direct(direct)
				.notifications()
				.build()) {
				listen(application);
				Await.until("it listens", () -> listening(direct));
				Await.until("nothing was heard", () -> application.notifications() == State.SILENT);
				assertThat(listening(direct)).isFalse();
			}
		}
	}

	private static boolean listening(DataSource dataSource) {
		return JdbcClient.create(dataSource)
			.sql("SELECT EXISTS (SELECT FROM pg_listening_channels())")
			.query(Boolean.class)
			.single();
	}

	private String listen(TestApplication application) {
		String queue = application.declareQueue();
		application.handle(TestApplication.options(queue).build(), (message) -> {
			this.handled.add(message.payload());
			if (message.payload().equals("fails always")
					|| message.payload().equals("fails once") && message.attempt() == 1) {
				throw new IllegalStateException(message.payload());
			}
		}).start();
		return queue;
	}

}
