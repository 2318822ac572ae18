package io.pgqueue.autoconfigure;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.Properties;

import javax.sql.DataSource;

import com.zaxxer.hikari.HikariConfigMXBean;
import com.zaxxer.hikari.HikariDataSource;
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
		Settings own = HIKARI ? Hikari.settings(this.pooled) : null;
		String url = (this.configured.url() != null) ? this.configured.url() : (own != null) ? own.url() : null;
		if (url != null) {
			return connect(url, own);
		}
		DataSource driver = HIKARI ? Hikari.driver(this.pooled) : null;
		if (driver == null && this.pooled instanceof BaseDataSource) {
			driver = this.pooled;
		}
		if (driver == null) {
			warnOnce();
			driver = this.pooled;
		}
		return driver.getConnection();
	}

	private Connection connect(String url, @Nullable Settings own) throws SQLException {
		Properties properties = new Properties();
		if (own != null) {
			properties.putAll(own.properties());
			set(properties, "user", own.user());
			set(properties, "password", own.password());
		}
		set(properties, "user", this.configured.user());
		set(properties, "password", this.configured.password());
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
	 * How a pool connects.
	 *
	 * @param url JDBC URL
	 * @param user user, if there is one
	 * @param password password, if there is one
	 * @param properties properties of the driver
	 */
	private record Settings(String url, @Nullable String user, @Nullable String password, Properties properties) {
	}

	/**
	 * Apart, because HikariCP may be absent.
	 */
	private static final class Hikari {

		static @Nullable Settings settings(DataSource dataSource) {
			HikariDataSource pool = unwrap(dataSource);
			if (pool == null || pool.getJdbcUrl() == null) {
				return null;
			}
			return new Settings(pool.getJdbcUrl(), pool.getCredentials().getUsername(),
					pool.getCredentials().getPassword(), pool.getDataSourceProperties());
		}

		static @Nullable DataSource driver(DataSource dataSource) {
			HikariDataSource pool = unwrap(dataSource);
			return (pool != null) ? pool.getDataSource() : null;
		}

		private static @Nullable HikariDataSource unwrap(DataSource dataSource) {
			return DataSourceUnwrapper.unwrap(dataSource, HikariConfigMXBean.class, HikariDataSource.class);
		}

	}

}
