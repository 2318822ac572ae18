package io.pgqueue.listener;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.AckMode;
import io.pgqueue.RetryPolicy;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.support.JdbcTransactionManager;

/**
 * A process whose handlers write one row for each message, until its input ends or it is
 * killed. Arguments: JDBC URL, user, password, name of the process, acknowledgement mode,
 * deliveries before a message is a dead letter.
 */
public final class EffectsProcess {

	static final String QUEUE = "effects";

	/**
	 * Payload of a message that ends the process that handles it.
	 */
	static final String HALT = "halt";

	static final Duration LEASE_TIMEOUT = Duration.ofSeconds(2);

	private EffectsProcess() {
	}

	public static void main(String[] arguments) throws IOException {
		HikariConfig config = new HikariConfig();
		config.setJdbcUrl(arguments[0]);
		config.setUsername(arguments[1]);
		config.setPassword(arguments[2]);
		config.setMaximumPoolSize(6);
		config.setInitializationFailTimeout(-1);
		AckMode mode = AckMode.valueOf(arguments[4]);
		try (HikariDataSource pool = new HikariDataSource(config);
				TestApplication application = new TestApplication.Builder(pool,
						new DriverManagerDataSource(arguments[0], arguments[1], arguments[2]))
					.timeout(LEASE_TIMEOUT)
					.instance(arguments[3])
					.transactions(5)
					.build()) {
			Runtime.getRuntime().addShutdownHook(new Thread(application::close));
			JdbcClient jdbc = JdbcClient.create(pool);
			ContainerOptions options = TestApplication.options(QUEUE)
				.concurrency(4)
				.ackMode(mode)
				.transactionManager((mode == AckMode.TRANSACTIONAL) ? new JdbcTransactionManager(pool) : null)
				.retryPolicy(new RetryPolicy(Integer.parseInt(arguments[5]), Duration.ofMillis(10), 1,
						Duration.ofMillis(10), 0))
				.build();
			application.handle(options, (message) -> {
				if (message.payload().equals(HALT)) {
					Runtime.getRuntime().halt(1);
				}
				jdbc.sql("INSERT INTO effect (message, attempt, process) VALUES (?, ?, ?)")
					.params(message.id(), message.attempt(), arguments[3])
					.update();
				// Long enough for faults to find something in hand.
				LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
			}).start();
			System.out.println("ready");
			System.in.read();
		}
	}

}
