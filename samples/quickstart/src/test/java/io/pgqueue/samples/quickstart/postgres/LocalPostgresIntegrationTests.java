package io.pgqueue.samples.quickstart.postgres;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.util.FileSystemUtils;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

@Tag("postgres")
class LocalPostgresIntegrationTests {

	private static final Path DIRECTORY = Path.of("target/test-postgres").toAbsolutePath();

	private static final Path PID_FILE = DIRECTORY.resolve("data/postmaster.pid");

	@BeforeAll
	static void startFromNothing() throws IOException {
		FileSystemUtils.deleteRecursively(DIRECTORY);
	}

	@Test
	void dataOutlivesTheServerAndWhatALostMachineLeft() throws Exception {
		List<String> left;
		try (LocalPostgres postgres = LocalPostgres.start(DIRECTORY)) {
			jdbc(postgres).sql("CREATE TABLE kept AS SELECT 42 AS answer").update();
			left = new ArrayList<>(Files.readAllLines(PID_FILE));
		}
		assertThat(PID_FILE).doesNotExist();
		// Meanwhile another program has the process id: this one
		left.set(0, String.valueOf(ProcessHandle.current().pid()));
		Files.write(PID_FILE, left);
		assertStartsWithItsData();
		// The name of the file was written, its content was not
		Files.createFile(PID_FILE);
		assertStartsWithItsData();
	}

	@Test
	void aSecondOneIsRefused() throws Exception {
		try (LocalPostgres postgres = LocalPostgres.start(DIRECTORY)) {
			assertThatExceptionOfType(LocalPostgresException.class).isThrownBy(() -> LocalPostgres.start(DIRECTORY))
				.withMessageStartingWith("Another quickstart is running with its data in " + DIRECTORY);
			assertThat(jdbc(postgres).sql("SELECT 1").query(Integer.class).single()).isOne();
		}
	}

	@Test
	void whatCannotStartSaysWhereToLook() throws Exception {
		Path blocked = DIRECTORY.resolve("blocked");
		Files.createDirectories(blocked);
		Files.createFile(blocked.resolve("data"));
		assertThatExceptionOfType(LocalPostgresException.class).isThrownBy(() -> LocalPostgres.start(blocked))
			.withMessageStartingWith("PostgreSQL could not be started in " + blocked)
			.satisfies((ex) -> assertThat(ex.action()).contains("postgres.log"));
	}

	@Test
	void nothingStartsWhenADatabaseIsGiven() {
		new ApplicationContextRunner().withUserConfiguration(LocalPostgresConfiguration.class)
			.withPropertyValues("spring.datasource.url=jdbc:postgresql://db/orders")
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(LocalPostgres.class));
	}

	private static void assertStartsWithItsData() throws IOException {
		try (LocalPostgres postgres = LocalPostgres.start(DIRECTORY)) {
			assertThat(jdbc(postgres).sql("SELECT answer FROM kept").query(Integer.class).single()).isEqualTo(42);
		}
		assertThat(PID_FILE).doesNotExist();
	}

	private static JdbcClient jdbc(LocalPostgres postgres) {
		return JdbcClient.create(new DriverManagerDataSource(postgres.getJdbcUrl(), postgres.getUsername(), ""));
	}

}
