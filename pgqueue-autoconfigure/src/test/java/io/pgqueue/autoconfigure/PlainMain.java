package io.pgqueue.autoconfigure;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

import javax.sql.DataSource;

import io.pgqueue.QueueOperations;
import io.pgqueue.annotation.QueueListener;
import org.postgresql.ds.PGSimpleDataSource;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.env.Environment;

/**
 * An application with nothing but a DataSource and a listener, to be run on a class path
 * or in a process of its own. Arguments: URL, user and password.
 */
public final class PlainMain {

	/**
	 * Is printed when the application has started.
	 */
	static final String STARTED = "PlainMain has started";

	private PlainMain() {
	}

	public static void main(String[] args) {
		start(args[0], args[1], args[2]);
		System.out.println(STARTED);
	}

	/**
	 * Sends a message and returns it as it was received.
	 */
	public static String roundTrip(String url, String user, String password) throws InterruptedException {
		try (ConfigurableApplicationContext context = start(url, user, password)) {
			context.getBean(QueueOperations.class).send("plain", "hello");
			return String.valueOf(context.getBean(Listener.class).received.poll(20, TimeUnit.SECONDS));
		}
	}

	private static ConfigurableApplicationContext start(String url, String user, String password) {
		SpringApplication application = new SpringApplication(Application.class);
		application.setWebApplicationType(WebApplicationType.NONE);
		return application.run("--url=" + url, "--user=" + user, "--password=" + password,
				"--spring.flyway.enabled=false", "--spring.liquibase.enabled=false",
				"--pgqueue.listener.poll-interval=100ms");
	}

	@Configuration(proxyBeanMethods = false)
	@EnableAutoConfiguration(exclude = DataSourceAutoConfiguration.class,
			excludeName = { "org.springframework.boot.hibernate.autoconfigure.HibernateJpaAutoConfiguration",
					"org.springframework.boot.data.jpa.autoconfigure.DataJpaRepositoriesAutoConfiguration" })
	static class Application {

		@Bean
		DataSource dataSource(Environment environment) {
			PGSimpleDataSource dataSource = new PGSimpleDataSource();
			dataSource.setUrl(environment.getRequiredProperty("url"));
			dataSource.setUser(environment.getRequiredProperty("user"));
			dataSource.setPassword(environment.getRequiredProperty("password"));
			return dataSource;
		}

		@Bean
		Listener listener() {
			return new Listener();
		}

	}

	static class Listener {

		private final BlockingQueue<String> received = new LinkedBlockingQueue<>();

		@QueueListener("plain")
		void on(String text) {
			System.out.println("Received " + text);
			this.received.add(text);
		}

	}

}
