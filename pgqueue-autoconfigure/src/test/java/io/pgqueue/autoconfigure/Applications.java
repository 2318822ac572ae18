package io.pgqueue.autoconfigure;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;

import org.springframework.boot.Banner.Mode;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.jackson.autoconfigure.JacksonAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.DataSourceTransactionManagerAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcClientAutoConfiguration;
import org.springframework.boot.jdbc.autoconfigure.JdbcTemplateAutoConfiguration;
import org.springframework.boot.logging.LoggingSystem;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.transaction.autoconfigure.TransactionAutoConfiguration;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.util.ClassUtils;

/**
 * Applications that a test runs against its database.
 */
public final class Applications {

	private static final AutoConfigurations BOOT = AutoConfigurations.of(DataSourceAutoConfiguration.class,
			DataSourceTransactionManagerAutoConfiguration.class, TransactionAutoConfiguration.class,
			JdbcTemplateAutoConfiguration.class, JdbcClientAutoConfiguration.class);

	static {
		// Many applications in one JVM would each configure the logging anew.
		System.setProperty(LoggingSystem.SYSTEM_PROPERTY, LoggingSystem.NONE);
	}

	private Applications() {
	}

	/**
	 * An application with JDBC, transactions, Jackson and queues.
	 */
	public static ApplicationContextRunner runner(TestDatabase database) {
		return withoutJackson(database).withConfiguration(AutoConfigurations.of(JacksonAutoConfiguration.class));
	}

	/**
	 * The same on a database that has its schema already, which makes it start faster.
	 */
	public static ApplicationContextRunner quickRunner(TestDatabase database) {
		boolean migrated = database.jdbc()
			.sql("SELECT to_regnamespace(?) IS NOT NULL")
			.param(TestDatabase.SCHEMA)
			.query(Boolean.class)
			.single();
		if (!migrated) {
			database.migrate();
		}
		return runner(database).withPropertyValues("pgqueue.migration.enabled=false");
	}

	/**
	 * The same application without Boot's Jackson module.
	 */
	static ApplicationContextRunner withoutJackson(TestDatabase database) {
		return withoutQueues(database).withConfiguration(AutoConfigurations.of(PgQueueAutoConfiguration.class));
	}

	/**
	 * An application with JDBC and transactions only.
	 */
	static ApplicationContextRunner withoutQueues(TestDatabase database) {
		return new ApplicationContextRunner().withConfiguration(BOOT).withPropertyValues(properties(database));
	}

	/**
	 * The same as another user of the database.
	 */
	public static ApplicationContextRunner runner(TestDatabase database, TestUser user) {
		return runner(database).withPropertyValues("spring.datasource.username=" + user.name(),
				"spring.datasource.password=" + user.password());
	}

	/**
	 * Starts a whole application, with configuration files and arguments.
	 */
	public static ConfigurableApplicationContext start(TestDatabase database, Class<?> application,
			String... properties) {
		Map<String, String> arguments = new LinkedHashMap<>();
		Stream.concat(Stream.of(properties(database)), Stream.of(properties))
			.forEach((property) -> arguments.put(property.substring(0, property.indexOf('=')), "--" + property));
		return new SpringApplicationBuilder(application).web(WebApplicationType.NONE)
			.bannerMode(Mode.OFF)
			.logStartupInfo(false)
			.registerShutdownHook(false)
			.run(arguments.values().toArray(String[]::new));
	}

	/**
	 * The properties that lead to a database.
	 */
	public static String[] properties(TestDatabase database) {
		return new String[] { "spring.datasource.url=" + database.jdbcUrl(),
				"spring.datasource.username=" + database.username(),
				"spring.datasource.password=" + database.password(),
				"spring.datasource.hikari.connection-init-sql=" + database.connectionInitSql(),
				"spring.datasource.hikari.maximum-pool-size=5", "spring.datasource.hikari.minimum-idle=0" };
	}

	/**
	 * The URL of a database with further parameters.
	 */
	static String url(TestDatabase database, String parameters) {
		return database.jdbcUrl() + (database.jdbcUrl().contains("?") ? "&" : "?") + parameters;
	}

	/**
	 * Empties a database of everything that applications have created.
	 */
	static void empty(TestDatabase database) {
		List<String> schemas = database.jdbc()
			.sql("SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
			.query(String.class)
			.list();
		schemas.forEach((schema) -> database.jdbc().sql("DROP SCHEMA " + schema + " CASCADE").update());
		database.jdbc().sql("CREATE SCHEMA public").update();
	}

	/**
	 * The names and types of all beans in a context.
	 */
	static Map<String, Class<?>> beanTypes(ApplicationContext context) {
		Map<String, Class<?>> types = new TreeMap<>();
		for (String name : context.getBeanDefinitionNames()) {
			Class<?> type = context.getType(name);
			if (type != null) {
				types.put(name, ClassUtils.getUserClass(type));
			}
		}
		return types;
	}

}
