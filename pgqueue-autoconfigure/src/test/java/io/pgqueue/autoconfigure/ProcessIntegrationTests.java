package io.pgqueue.autoconfigure;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

import io.pgqueue.client.QueueTemplate;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Applications in a process, or on a class path, of their own.
 */
@PgQueueDatabase
class ProcessIntegrationTests {

	private static final Pattern OPTIONAL = Pattern
		.compile("(HikariCP|micrometer|spring-boot-(health|jackson|micrometer|actuator|flyway|liquibase|hibernate|jpa|"
				+ "data-jpa|data-commons|test))[^/]*\\.jar$");

	private final TestDatabase database;

	@TempDir
	private Path directory;

	ProcessIntegrationTests(TestDatabase database) {
		this.database = database;
		database.migrate();
	}

	@Test
	void anApplicationWithoutAWebServerLivesAsLongAsItListens() throws Exception {
		Path output = this.directory.resolve("output");
		Process process = new ProcessBuilder(command()).redirectErrorStream(true)
			.redirectOutput(output.toFile())
			.start();
		try {
			Await.until("it has started", Duration.ofSeconds(60), () -> {
				assertThat(process.isAlive()).as(Files.readString(output)).isTrue();
				return Files.readString(output).contains(PlainMain.STARTED);
			});
			assertThat(process.waitFor(1, TimeUnit.SECONDS)).as("it ended by itself: " + Files.readString(output))
				.isFalse();
			QueueTemplate.builder(this.database.dataSource()).build().send("plain", "hello");
			Await.until("it has handled the message", () -> Files.readString(output).contains("Received hello"));
			process.destroy();
			assertThat(process.waitFor(10, TimeUnit.SECONDS)).as("it ends when asked to").isTrue();
		}
		finally {
			process.destroyForcibly();
		}
	}

	@Test
	void anApplicationWithoutAnyOptionalLibraryWorks() throws Exception {
		try (URLClassLoader loader = withoutOptionalLibraries()) {
			ClassLoader before = Thread.currentThread().getContextClassLoader();
			Thread.currentThread().setContextClassLoader(loader);
			try {
				Object result = loader.loadClass("io.pgqueue.autoconfigure.PlainMain")
					.getMethod("roundTrip", String.class, String.class, String.class)
					.invoke(null, this.database.jdbcUrl(), this.database.username(), this.database.password());
				assertThat(result).isEqualTo("hello");
			}
			catch (InvocationTargetException ex) {
				throw (ex.getCause() instanceof Exception cause) ? cause : ex;
			}
			finally {
				Thread.currentThread().setContextClassLoader(before);
			}
		}
	}

	private List<String> command() {
		List<String> command = new ArrayList<>();
		command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
		command.addAll(List.of("-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
				PlainMain.class.getName(), this.database.jdbcUrl(), this.database.username(),
				this.database.password()));
		return command;
	}

	private static URLClassLoader withoutOptionalLibraries() throws IOException {
		List<URL> kept = new ArrayList<>();
		List<String> left = new ArrayList<>();
		for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
			if (OPTIONAL.matcher(entry).find()) {
				left.add(entry);
			}
			else {
				kept.add(toUrl(entry));
			}
		}
		assertThat(left).as("libraries to leave out of " + Arrays.toString(kept.toArray())).hasSizeGreaterThan(10);
		return new URLClassLoader(kept.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
	}

	private static URL toUrl(String entry) throws MalformedURLException {
		return Path.of(entry).toUri().toURL();
	}

}
