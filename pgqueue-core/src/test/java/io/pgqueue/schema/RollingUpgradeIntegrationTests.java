package io.pgqueue.schema;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.pgqueue.SchemaException;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.EngineFunctions;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.ClaimRequest;
import io.pgqueue.engine.MessageLog;
import io.pgqueue.engine.Queues;
import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.engine.Workers;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.flywaydb.core.Flyway;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Two releases share a schema during a rolling deploy, and the older one starts again
 * after the newer one has migrated.
 */
@PgQueueDatabase
class RollingUpgradeIntegrationTests {

	private static final String MARK = "-- as the next release has it";

	private final TestDatabase database;

	@TempDir
	private Path directory;

	private String schema = "";

	RollingUpgradeIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@BeforeEach
	void nameSchema(TestInfo test) {
		this.schema = "upgrade " + test.getDisplayName().replace("()", "");
		this.schema = this.schema.substring(0, Math.min(60, this.schema.length()));
	}

	@Test
	void anOlderReleaseThatStartsAgainChangesNothingAndWorks() throws Exception {
		thisRelease().migrate();
		assertThat(body()).doesNotContain(MARK);
		nextRelease().migrate();
		assertThat(body()).contains(MARK);
		List<String> history = history();

		List<String> logged = logged(() -> thisRelease().migrate());

		assertThat(body()).contains(MARK);
		assertThat(history()).isEqualTo(history);
		assertThat(logged).anyMatch((message) -> message.contains("is newer than this release: it is used as it is"));
		sendAndClaim();
	}

	@Test
	void plainFlywayWouldPutTheOldFunctionBack() throws Exception {
		thisRelease().migrate();
		nextRelease().migrate();
		assertThat(body()).contains(MARK);
		Flyway.configure()
			.dataSource(this.database.directDataSource())
			.locations(SchemaMigrator.LOCATION)
			.schemas(this.schema)
			.defaultSchema(this.schema)
			.table("pgqueue_schema_history")
			.placeholders(Map.of("schema", "\"" + this.schema + "\""))
			.baselineOnMigrate(true)
			.baselineVersion("0")
			.load()
			.migrate();
		assertThat(body()).doesNotContain(MARK);
	}

	@Test
	void theNewerReleaseUpgradesWhatTheOlderOneLeftBehindAndOnlyOnce() throws Exception {
		thisRelease().migrate();
		List<Long> ids = send(3);
		nextRelease().migrate();
		List<String> history = history();
		nextRelease().migrate();
		assertThat(history()).isEqualTo(history);
		assertThat(claim()).containsAll(ids);
	}

	@Test
	void anOlderReleaseWhoseFunctionsAreGoneSaysSo() throws Exception {
		nextRelease().migrate();
		this.database.jdbc().sql("DROP FUNCTION \"" + this.schema + "\".queue_names()").update();
		assertThatExceptionOfType(SchemaException.class).isThrownBy(() -> thisRelease().migrate())
			.withMessageContaining("lacks function \"" + this.schema + "\".queue_names()");
	}

	@Test
	void theApplicationsOwnFlywayIsUntouchedAndDoesNotTouchOurs() throws Exception {
		Path own = Files.createDirectories(this.directory.resolve("db/migration"));
		Files.writeString(own.resolve("V1__orders.sql"), "CREATE TABLE orders (id integer PRIMARY KEY);");
		Files.writeString(own.resolve("R__view.sql"), "CREATE OR REPLACE VIEW all_orders AS SELECT id FROM orders;");
		Flyway application = Flyway.configure()
			.dataSource(this.database.directDataSource())
			.locations("classpath:db/migration", "filesystem:" + own)
			.load();
		application.migrate();
		thisRelease().migrate();
		Files.writeString(own.resolve("V2__customers.sql"), "CREATE TABLE customers (id integer PRIMARY KEY);");
		Flyway newer = Flyway.configure()
			.dataSource(this.database.directDataSource())
			.locations("classpath:db/migration", "filesystem:" + own)
			.load();
		newer.migrate();
		newer.validate();
		thisRelease().migrate();

		assertThat(this.database.jdbc()
			.sql("SELECT script FROM public.flyway_schema_history ORDER BY installed_rank")
			.query(String.class)
			.list()).containsExactly("V1__orders.sql", "R__view.sql", "V2__customers.sql");
		assertThat(history()).noneMatch((line) -> line.contains("orders") || line.contains("customers"));
		assertThat(this.database.jdbc()
			.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
			.query(String.class)
			.list()).containsExactlyInAnyOrder("flyway_schema_history", "orders", "customers", "all_orders");
		sendAndClaim();
	}

	private SchemaMigrator thisRelease() {
		return new SchemaMigrator(this.database.directDataSource(), this.schema, EngineFunctions.SIGNATURES,
				SchemaMigrator.LOCATION);
	}

	/**
	 * This release with one function changed, and with a versioned file, as every release
	 * has that changes a function.
	 */
	private SchemaMigrator nextRelease() throws IOException, URISyntaxException {
		Path target = Files.createDirectories(this.directory.resolve("next"));
		Path source = Path.of(SchemaMigrator.class.getResource("/pgqueue/migration/V1__tables.sql").toURI())
			.getParent();
		try (Stream<Path> files = Files.list(source)) {
			for (Path file : files.toList()) {
				Files.writeString(target.resolve(file.getFileName().toString()), Files.readString(file));
			}
		}
		Path changed = target.resolve("R__dead_letter.sql");
		Files.writeString(changed, Files.readString(changed).replaceFirst("BEGIN", "BEGIN\n" + MARK));
		Files.writeString(target.resolve("V99__next.sql"), "CREATE TABLE ${schema}.added (id integer PRIMARY KEY);");
		return new SchemaMigrator(this.database.directDataSource(), this.schema, EngineFunctions.SIGNATURES,
				"filesystem:" + target);
	}

	private String body() {
		return this.database.jdbc()
			.sql("SELECT p.prosrc FROM pg_proc p WHERE p.proname = 'dead_letters' AND p.pronamespace = ?::regnamespace")
			.param("\"" + this.schema + "\"")
			.query(String.class)
			.single();
	}

	private List<String> history() {
		return this.database.jdbc()
			.sql("SELECT installed_rank || ' ' || script FROM \"" + this.schema
					+ "\".pgqueue_schema_history ORDER BY installed_rank")
			.query(String.class)
			.list();
	}

	private void sendAndClaim() {
		List<Long> ids = send(2);
		assertThat(claim()).isEqualTo(ids);
	}

	private List<Long> send(int count) {
		Database access = new Database(this.database.dataSource(), this.schema);
		new Queues(access).declare("orders");
		List<Long> ids = new ArrayList<>();
		for (int i = 0; i < count; i++) {
			ids.add(new MessageLog(access).send("orders", List.of("1"), List.of("{}"))[0]);
		}
		return ids;
	}

	private List<Long> claim() {
		Database access = new Database(this.database.dataSource(), this.schema);
		DeclaredQueue queue = new Queues(access).declare("orders");
		try (Workers workers = new Workers(this.database.directDataSource(), this.schema, Duration.ofMinutes(1))) {
			long worker = workers.register("test");
			return new Leases(access)
				.claim(new ClaimRequest(worker, 1, queue.queueId(), queue.subscriptionId(), 10, 1000,
						OffsetDateTime.MIN, false, false))
				.messages()
				.stream()
				.map((message) -> message.id())
				.toList();
		}
	}

	private static List<String> logged(Runnable action) {
		Logger logger = (Logger) LoggerFactory.getLogger(SchemaMigrator.class);
		ListAppender<ILoggingEvent> appender = new ListAppender<>();
		appender.start();
		logger.addAppender(appender);
		try {
			action.run();
		}
		finally {
			logger.detachAppender(appender);
		}
		return appender.list.stream().map(ILoggingEvent::getFormattedMessage).toList();
	}

}
