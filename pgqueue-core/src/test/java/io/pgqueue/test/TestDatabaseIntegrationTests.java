package io.pgqueue.test;

import java.sql.Connection;
import java.util.Map;
import java.util.TimeZone;

import com.zaxxer.hikari.HikariDataSource;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
class TestDatabaseIntegrationTests {

	private final TestDatabase database;

	TestDatabaseIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void sessionsLiveInAnotherTimeZoneThanThisJvm() {
		String mine = TimeZone.getDefault().getID();
		assertThat(timeZone(JdbcClient.create(this.database.dataSource()))).isNotEqualTo(mine);
		assertThat(timeZone(this.database.jdbc())).isNotEqualTo(mine);
	}

	@Test
	void migratesASchemaThatNeedsQuoting() {
		this.database.migrate("My-Queue 1");
		assertThat(this.database.jdbc().sql("SELECT count(*) FROM \"My-Queue 1\".queue").query(Long.class).single())
			.isZero();
	}

	@Test
	void aUserHasNoRightsUntilTheyAreGranted() {
		this.database.migrate();
		TestUser user = this.database.createUser();
		JdbcClient jdbc = JdbcClient.create(this.database.pool(user));
		assertThatExceptionOfType(RuntimeException.class)
			.isThrownBy(() -> jdbc.sql("SELECT * FROM pgqueue.queue_names()").query(String.class).list())
			.withStackTraceContaining("permission denied");
		this.database.grantUse(user, TestDatabase.SCHEMA);
		assertThat(jdbc.sql("SELECT * FROM pgqueue.queue_names()").query(String.class).list()).isEmpty();
	}

	@Test
	void aPoolTakesOptions() throws Exception {
		HikariDataSource pool = this.database.pool((config) -> config.setAutoCommit(false));
		try (Connection connection = pool.getConnection()) {
			assertThat(connection.getAutoCommit()).isFalse();
		}
	}

	@Test
	void aPrivateServerIsDurableAndSurvivesKills() {
		try (PrivateServer server = PrivateServer.start(Map.of("wal_writer_delay", "10s"));
				TestDatabase own = server.createDatabase()) {
			assertThat(own.jdbc().sql("SHOW fsync").query(String.class).single()).isEqualTo("on");
			assertThat(own.jdbc().sql("SHOW synchronous_commit").query(String.class).single()).isEqualTo("on");
			own.jdbc().sql("CREATE TABLE kept AS SELECT 1 AS value").update();
			server.crash();
			assertThat(own.jdbc().sql("SELECT value FROM kept").query(Integer.class).single()).isOne();
			server.killPostmaster();
			server.restart();
			assertThat(own.jdbc().sql("SELECT value FROM kept").query(Integer.class).single()).isOne();
		}
	}

	private static String timeZone(JdbcClient jdbc) {
		return jdbc.sql("SHOW timezone").query(String.class).single();
	}

	@Nested
	class NestedClasses {

		@Test
		void shareTheDatabase(TestDatabase injected) {
			assertThat(injected).isSameAs(TestDatabaseIntegrationTests.this.database);
		}

	}

}
