package io.pgqueue.test;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * Opens a new connection at each call and initializes it.
 */
final class DirectDataSource extends DriverManagerDataSource {

	private final String initSql;

	DirectDataSource(String url, TestUser user, String initSql) {
		super(url, user.name(), user.password());
		this.initSql = initSql;
	}

	@Override
	protected Connection getConnectionFromDriver(Properties properties) throws SQLException {
		Connection connection = super.getConnectionFromDriver(properties);
		try (Statement statement = connection.createStatement()) {
			statement.execute(this.initSql);
		}
		return connection;
	}

}
