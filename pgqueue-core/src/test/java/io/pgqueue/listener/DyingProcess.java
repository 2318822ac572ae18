package io.pgqueue.listener;

import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.SQLException;

import org.springframework.jdbc.datasource.DelegatingDataSource;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * A process that sends a message and dies when that is committed, before it can tell
 * anybody. Arguments: JDBC URL, user, password, queue, payload.
 */
public final class DyingProcess {

	static final int EXIT = 17;

	private DyingProcess() {
	}

	public static void main(String[] arguments) {
		Dying dataSource = new Dying(new DriverManagerDataSource(arguments[0], arguments[1], arguments[2]));
		TestApplication application = new TestApplication.Builder(dataSource, dataSource).notifications().build();
		application.start();
		new TransactionTemplate(new JdbcTransactionManager(dataSource))
			.executeWithoutResult((status) -> application.queues().send(arguments[3], arguments[4]));
	}

	private static final class Dying extends DelegatingDataSource {

		Dying(DriverManagerDataSource target) {
			super(target);
		}

		@Override
		public Connection getConnection() throws SQLException {
			Connection connection = super.getConnection();
			return (Connection) Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] { Connection.class },
					(proxy, method, arguments) -> {
						Object result = method.invoke(connection, arguments);
						if (method.getName().equals("commit")) {
							Runtime.getRuntime().halt(EXIT);
						}
						return result;
					});
		}

	}

}
