package io.pgqueue.autoconfigure;

import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.util.Credentials;
import io.pgqueue.QueueOperations;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.postgresql.ds.PGSimpleDataSource;

import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.AbstractDataSource;
import org.springframework.jdbc.datasource.LazyConnectionDataSourceProxy;
import org.springframework.jdbc.datasource.TransactionAwareDataSourceProxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@PgQueueDatabase
@ExtendWith(OutputCaptureExtension.class)
class DirectDataSourceIntegrationTests {

	private static final PgQueueProperties.Direct NOTHING = new PgQueueProperties.Direct(null, null, null);

	private final TestDatabase database;

	DirectDataSourceIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void connectsLikeAHikariPoolWithAnUrlAndLeavesItAlone(CapturedOutput output) throws SQLException {
		HikariDataSource pool = this.database.pool((config) -> config.setMaximumPoolSize(1));
		DataSource direct = new DirectDataSource(pool, NOTHING);
		try (Connection borrowed = pool.getConnection();
				Connection first = direct.getConnection();
				Connection second = direct.getConnection()) {
			assertThat(borrowed.isValid(1)).isTrue();
			assertThat(backend(first)).isNotEqualTo(backend(second));
			assertThat(setting(first, "application_name")).isEqualTo("pgqueue");
			assertThat(currentUser(first)).isEqualTo(this.database.username());
		}
		assertThat(output).doesNotContain("Cannot tell how");
	}

	@Test
	void takesTheDriverSettingsOfTheHikariPool() throws SQLException {
		HikariDataSource pool = this.database.pool((config) -> {
			config.addDataSourceProperty("ApplicationName", "billing");
			config.addDataSourceProperty("options", "-c work_mem=7MB");
		});
		try (Connection connection = new DirectDataSource(pool, NOTHING).getConnection()) {
			assertThat(setting(connection, "application_name")).isEqualTo("billing");
			assertThat(setting(connection, "work_mem")).isEqualTo("7MB");
		}
	}

	@Test
	void takesUserAndPasswordOutOfTheUrl() throws SQLException {
		TestUser user = this.database.createUser();
		HikariDataSource pool = this.database.pool((config) -> {
			config.setJdbcUrl(Applications.url(this.database, "user=" + user.name() + "&password=" + user.password()));
			config.setUsername(null);
			config.setPassword(null);
		});
		assertThat(currentUser(new DirectDataSource(pool, NOTHING))).isEqualTo(user.name());
	}

	@Test
	void actsInTheRoleThatTheHikariPoolTakesOnForEachConnection() throws SQLException {
		TestUser owner = this.database.createUser();
		HikariDataSource pool = this.database.pool((config) -> config.setConnectionInitSql("SET ROLE " + owner.name()));
		assertThat(currentUser(pool)).isEqualTo(owner.name());
		assertThat(currentUser(new DirectDataSource(pool, NOTHING))).isEqualTo(owner.name());
	}

	@Test
	void readsTheCredentialsOfAHikariPoolAgainForEachConnection() throws SQLException {
		TestUser user = this.database.createUser();
		HikariDataSource pool = this.database.pool((config) -> {
		});
		DataSource direct = new DirectDataSource(pool, NOTHING);
		assertThat(currentUser(direct)).isEqualTo(this.database.username());
		pool.setCredentials(Credentials.of(user.name(), user.password()));
		assertThat(currentUser(direct)).isEqualTo(user.name());
	}

	@Test
	void asksTheCredentialsProviderOfAHikariPool() throws SQLException {
		TestUser user = this.database.createUser();
		HikariDataSource pool = this.database
			.pool((config) -> config.setCredentialsProvider(() -> Credentials.of(user.name(), user.password())));
		assertThat(currentUser(pool)).isEqualTo(user.name());
		assertThat(currentUser(new DirectDataSource(pool, NOTHING))).isEqualTo(user.name());
	}

	@Test
	void asksTheDataSourceThatAHikariPoolWraps(CapturedOutput output) throws SQLException {
		HikariDataSource pool = this.database.pool((config) -> {
			config.setJdbcUrl(null);
			config.setUsername(null);
			config.setPassword(null);
			config.setDataSource(simple());
			config.setMaximumPoolSize(1);
			config.setConnectionTimeout(2_000);
		});
		assertDirect(pool, this.database.username());
		assertThat(output).doesNotContain("Cannot tell how");
	}

	@Test
	void usesTheCredentialsOfAHikariPoolThatWrapsADataSource() throws SQLException {
		TestUser user = this.database.createUser();
		HikariDataSource pool = this.database.pool((config) -> {
			config.setJdbcUrl(null);
			config.setUsername(user.name());
			config.setPassword(user.password());
			config.setDataSource(simple());
			config.setMaximumPoolSize(1);
			config.setConnectionTimeout(2_000);
		});
		assertThat(currentUser(pool)).isEqualTo(user.name());
		assertDirect(pool, user.name());
	}

	@Test
	void connectsLikeAHikariPoolWithADataSourceClass(CapturedOutput output) throws SQLException {
		HikariDataSource pool = this.database.pool((config) -> {
			config.setJdbcUrl(null);
			config.setDataSourceClassName(PGSimpleDataSource.class.getName());
			config.addDataSourceProperty("url", this.database.jdbcUrl());
			config.setMaximumPoolSize(1);
			config.setConnectionTimeout(2_000);
		});
		assertDirect(pool, this.database.username());
		assertThat(output).doesNotContain("Cannot tell how");
	}

	@Test
	void asksThePostgresDataSourceItself(CapturedOutput output) throws SQLException {
		assertDirect(simple(), this.database.username());
		assertThat(output).doesNotContain("Cannot tell how");
	}

	@Test
	void looksBehindALazyProxyOfAHikariPool(CapturedOutput output) throws SQLException {
		HikariDataSource pool = this.database.pool((config) -> config.setMaximumPoolSize(1));
		assertDirect(new LazyConnectionDataSourceProxy(pool), this.database.username());
		assertDirect(new TransactionAwareDataSourceProxy(pool), this.database.username());
		assertThat(output).doesNotContain("Cannot tell how");
	}

	@Test
	void looksBehindALazyProxyOfAPostgresDataSource(CapturedOutput output) throws SQLException {
		DataSource direct = new DirectDataSource(new LazyConnectionDataSourceProxy(simple()), NOTHING);
		try (Connection connection = direct.getConnection()) {
			assertThat(Proxy.isProxyClass(connection.getClass())).isFalse();
			assertThat(currentUser(connection)).isEqualTo(this.database.username());
		}
		assertThat(output).doesNotContain("Cannot tell how");
	}

	@Test
	void warnsOnceAboutADataSourceThatItDoesNotKnowAndBorrowsFromIt(CapturedOutput output) throws SQLException {
		DataSource direct = new DirectDataSource(new Unknown(this.database.dataSource()), NOTHING);
		assertThat(currentUser(direct)).isEqualTo(this.database.username());
		assertThat(currentUser(direct)).isEqualTo(this.database.username());
		assertThat(output.getAll().split("Cannot tell how", -1)).hasSize(2);
		assertThat(output).contains(Unknown.class.getName()).contains("pgqueue.direct.url");
	}

	@Test
	void queuesWorkOnADataSourceThatItDoesNotKnow() {
		HikariDataSource pool = this.database.pool((config) -> config.setMaximumPoolSize(4));
		Applications.runner(this.database)
			.withUserConfiguration(Inbox.class)
			.withBean(DataSource.class, () -> new Unknown(pool))
			.run((context) -> {
				context.getBean(QueueOperations.class).send("inbox", "hello");
				Await.until("the message has arrived", () -> context.getBean(Inbox.class).received().contains("hello"));
			});
	}

	@Test
	void connectsAsConfigured() throws SQLException {
		TestUser user = this.database.createUser();
		DataSource unreachable = this.database.pool((config) -> {
			config.setJdbcUrl("jdbc:postgresql://localhost:1/none");
			config.setInitializationFailTimeout(-1);
		});
		DataSource direct = new DirectDataSource(unreachable,
				new PgQueueProperties.Direct(this.database.jdbcUrl(), user.name(), user.password()));
		assertThat(currentUser(direct)).isEqualTo(user.name());
	}

	@Test
	void takesTheCredentialsOfThePoolForAnUrlThatIsConfigured() throws SQLException {
		DataSource pool = this.database.pool((config) -> {
		});
		DataSource direct = new DirectDataSource(pool,
				new PgQueueProperties.Direct(Applications.url(this.database, "ApplicationName=other"), null, null));
		try (Connection connection = direct.getConnection()) {
			assertThat(currentUser(connection)).isEqualTo(this.database.username());
			assertThat(setting(connection, "application_name")).isEqualTo("other");
		}
	}

	@Test
	void takesTheUrlOfThePoolForAUserThatIsConfigured() throws SQLException {
		TestUser user = this.database.createUser();
		DataSource pool = this.database.pool((config) -> {
		});
		assertThat(currentUser(
				new DirectDataSource(pool, new PgQueueProperties.Direct(null, user.name(), user.password()))))
			.isEqualTo(user.name());
	}

	@Test
	void aUserThatIsConfiguredCountsForEveryKindOfDataSource() throws SQLException {
		TestUser user = this.database.createUser();
		assertThat(currentUser(
				new DirectDataSource(simple(), new PgQueueProperties.Direct(null, user.name(), user.password()))))
			.isEqualTo(user.name());
	}

	@Test
	void failsSoonWhenNobodyAnswers() {
		DataSource direct = new DirectDataSource(simple(),
				new PgQueueProperties.Direct("jdbc:postgresql://localhost:1/none", "me", "top-secret"));
		assertThatExceptionOfType(SQLException.class).isThrownBy(direct::getConnection)
			.withMessageContaining("localhost:1")
			.withMessageNotContaining("top-secret");
	}

	private void assertDirect(DataSource pooled, String user) throws SQLException {
		DataSource direct = new DirectDataSource(pooled, NOTHING);
		try (Connection borrowed = pooled.getConnection(); Connection connection = direct.getConnection()) {
			assertThat(backend(connection)).isNotEqualTo(backend(borrowed));
			assertThat(currentUser(connection)).isEqualTo(user);
		}
	}

	private PGSimpleDataSource simple() {
		PGSimpleDataSource dataSource = new PGSimpleDataSource();
		dataSource.setUrl(this.database.jdbcUrl());
		dataSource.setUser(this.database.username());
		dataSource.setPassword(this.database.password());
		return dataSource;
	}

	private static String currentUser(DataSource dataSource) {
		return JdbcClient.create(dataSource).sql("SELECT current_user").query(String.class).single();
	}

	private static String currentUser(Connection connection) throws SQLException {
		return query(connection, "SELECT current_user");
	}

	private static String backend(Connection connection) throws SQLException {
		return query(connection, "SELECT pg_backend_pid()");
	}

	private static String setting(Connection connection, String name) throws SQLException {
		return query(connection, "SELECT current_setting('" + name + "')");
	}

	private static String query(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement(); ResultSet results = statement.executeQuery(sql)) {
			results.next();
			return results.getString(1);
		}
	}

	/**
	 * A pool of a kind that nobody has heard of, and that does not let anybody look
	 * inside.
	 */
	private static final class Unknown extends AbstractDataSource {

		private final DataSource inside;

		Unknown(DataSource inside) {
			this.inside = inside;
		}

		@Override
		public Connection getConnection() throws SQLException {
			return this.inside.getConnection();
		}

		@Override
		public Connection getConnection(String user, String password) throws SQLException {
			return this.inside.getConnection(user, password);
		}

	}

}
