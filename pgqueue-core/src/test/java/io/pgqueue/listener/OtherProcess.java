package io.pgqueue.listener;

import java.io.IOException;
import java.time.Duration;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;

import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * Another process that sends and handles, until it is told to stop. Arguments: JDBC URL,
 * user, password, name of the process, number of messages to send, how long some
 * transactions stay open.
 */
public final class OtherProcess {

	private OtherProcess() {
	}

	public static void main(String[] arguments) throws IOException {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl(arguments[0]);
		config.setUsername(arguments[1]);
		config.setPassword(arguments[2]);
		try (HikariDataSource pool = new HikariDataSource(config);
				TestApplication application = new TestApplication.Builder(pool,
						new DriverManagerDataSource(arguments[0], arguments[1], arguments[2]))
					.build()) {
			ExactDelivery.handle(application, arguments[3]);
			System.out.println("ready");
			ExactDelivery.send(pool, application.queues(), Integer.parseInt(arguments[4]),
					Duration.parse(arguments[5]));
			System.out.println("sent");
			System.in.read();
		}
	}

}
