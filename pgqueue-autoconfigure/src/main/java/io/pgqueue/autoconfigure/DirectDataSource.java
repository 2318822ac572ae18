package io.pgqueue.autoconfigure;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariConfigMXBean;
import com.zaxxer.hikari.HikariCredentialsProvider;
import com.zaxxer.hikari.HikariDataSource;
import com.zaxxer.hikari.util.Credentials;
import org.jspecify.annotations.Nullable;
import org.postgresql.ds.common.BaseDataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import org.springframework.boot.jdbc.DataSourceUnwrapper;
import org.springframework.jdbc.datasource.AbstractDataSource;
import org.springframework.util.ClassUtils;

/**
 * Opens connections outside the application's pool, to the same database: from
 * {@code pgqueue.direct.*}, or from what the pool itself uses. That is read again for
 * each connection, because credentials rotate.
 */
final class DirectDataSource extends AbstractDataSource {

	private static final Logger logger = LoggerFactory.getLogger(DirectDataSource.class);

	private static final boolean HIKARI = ClassUtils.isPresent("com.zaxxer.hikari.HikariDataSource",
			DirectDataSource.class.getClassLoader());

	private final DataSource pooled;

	private final PgQueueProperties.Direct configured;

	private volatile boolean warned;

	DirectDataSource(DataSource pooled, PgQueueProperties.Direct configured) {
		this.pooled = pooled;
		this.configured = configured;
	}

	@Override
	public Connection getConnection() throws SQLException {
		return getConnection(null, null);
	}

	@Override
	public Connection getConnection(@Nullable String user, @Nullable String password) throws SQLException {
		Settings pool = HIKARI ? Hikari.settings(this.pooled) : null;
		Settings settings = (pool != null) ? pool : new Settings(null, null, null, null, new Properties());
		settings = settings.with(this.configured);
		Connection connection = open(settings);
		if (settings.initSql() != null) {
			initialize(connection, settings.initSql());
		}
		return connection;
	}

	private Connection open(Settings settings) throws SQLException {
		if (settings.url() != null) {
			return connect(settings.url(), settings);
		}
		DataSource driver = driver();
		if (driver == null) {
			warnOnce();
			return this.pooled.getConnection();
		}
		return (settings.user() != null) ? driver.getConnection(settings.user(), settings.password())
				: driver.getConnection();
	}

	private static void initialize(Connection connection, String sql) throws SQLException {
		try (Statement statement = connection.createStatement()) {
			statement.execute(sql);
		}
		catch (SQLException ex) {
			connection.close();
			throw ex;
		}
	}

	private @Nullable DataSource driver() throws SQLException {
		DataSource driver = HIKARI ? Hikari.driver(this.pooled) : null;
		if (driver != null) {
			return driver;
		}
		return this.pooled.isWrapperFor(BaseDataSource.class) ? (DataSource) this.pooled.unwrap(BaseDataSource.class)
				: null;
	}

	private static Connection connect(String url, Settings settings) throws SQLException {
		Properties properties = new Properties();
		settings.properties().forEach((name, value) -> properties.setProperty(name.toString(), value.toString()));
		set(properties, "user", settings.user());
		set(properties, "password", settings.password());
		properties.putIfAbsent("ApplicationName", "pgqueue");
		properties.putIfAbsent("tcpKeepAlive", "true");
		properties.putIfAbsent("connectTimeout", "10");
		properties.putIfAbsent("socketTimeout", "60");
		return DriverManager.getConnection(url, properties);
	}

	private static void set(Properties properties, String name, @Nullable String value) {
		if (value != null) {
			properties.setProperty(name, value);
		}
	}

	private void warnOnce() {
		if (!this.warned) {
			this.warned = true;
			logger.warn(
					"Cannot tell how {} connects, so one of its connections is used for signs of life: set pgqueue.direct.url",
					this.pooled.getClass().getName());
		}
	}

	/**
	 * How to connect.
	 *
	 * @param url JDBC URL, if there is one
	 * @param user user, if there is one
	 * @param password password, if there is one
	 * @param initSql what the pool runs on each new connection, if anything
	 * @param properties properties of the driver
	 */
	private record Settings(@Nullable String url, @Nullable String user, @Nullable String password,
			@Nullable String initSql, Properties properties) {

		Settings with(PgQueueProperties.Direct configured) {
			return new Settings((configured.url() != null) ? configured.url() : this.url,
					(configured.user() != null) ? configured.user() : this.user,
					(configured.password() != null) ? configured.password() : this.password, this.initSql,
					this.properties);
		}

	}

	/**
	 * Apart, because HikariCP may be absent.
	 */
	private static final class Hikari {

		static @Nullable Settings settings(DataSource dataSource) {
			HikariDataSource pool = unwrap(dataSource);
			if (pool == null) {
				return null;
			}
			HikariCredentialsProvider provider = pool.getCredentialsProvider();
			Credentials credentials = (provider != null) ? provider.getCredentials() : pool.getCredentials();
			return new Settings(pool.getJdbcUrl(), credentials.getUsername(), credentials.getPassword(),
					pool.getConnectionInitSql(), pool.getDataSourceProperties());
		}

		static @Nullable DataSource driver(DataSource dataSource) throws SQLException {
			HikariDataSource pool = unwrap(dataSource);
			if (pool != null && pool.getDataSource() == null && !pool.isRunning()) {
				// The pool makes its DataSource out of a class name with its first
				// connection.
				pool.getConnection().close();
			}
			return (pool != null) ? pool.getDataSource() : null;
		}

		private static @Nullable HikariDataSource unwrap(DataSource dataSource) {
			return DataSourceUnwrapper.unwrap(dataSource, HikariConfigMXBean.class, HikariDataSource.class);
		}

	}

}
