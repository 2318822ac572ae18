package io.pgqueue.autoconfigure;

import java.io.PrintWriter;
import java.io.StringWriter;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

import org.springframework.boot.test.context.assertj.AssertableApplicationContext;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
@ExtendWith(OutputCaptureExtension.class)
class PasswordsIntegrationTests {

	private static final String SECRET = "pass-word-4711";

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	PasswordsIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = Applications.runner(database).withUserConfiguration(Inbox.class);
	}

	@Test
	void propertiesDoNotShowThePassword() {
		PgQueueProperties.Direct direct = new PgQueueProperties.Direct(
				"jdbc:postgresql://host/db?user=me&password=" + SECRET + "&sslpassword=" + SECRET + "&ssl=true", "me",
				SECRET);
		assertThat(direct.toString()).doesNotContain(SECRET).contains("jdbc:postgresql://host/db", "me");
		this.application
			.withPropertyValues("pgqueue.direct.url=" + this.database.jdbcUrl(),
					"pgqueue.direct.user=" + this.database.username(),
					"pgqueue.direct.password=" + this.database.password())
			.run((context) -> {
				assertThat(context).hasNotFailed();
				assertThat(context.getBean(PgQueueProperties.class).toString())
					.doesNotContain("password=" + this.database.password());
				assertThat(context.getBean(DataSources.class).toString()).doesNotContain("password");
				assertThat(context.getBean(Infrastructure.class).toString()).doesNotContain("password");
			});
	}

	@Test
	void aFailedStartDoesNotShowThePasswordOfThePool(CapturedOutput output) {
		TestUser user = this.database.createUser();
		changePassword(user);
		this.application
			.withPropertyValues("spring.datasource.username=" + user.name(), "spring.datasource.password=" + SECRET,
					"pgqueue.schema=not-allowed")
			.run((context) -> {
				assertThat(context).hasFailed();
				assertThat(stackTrace(context)).doesNotContain(SECRET);
			});
		assertThat(output).doesNotContain(SECRET);
	}

	@Test
	void aFailedStartDoesNotShowThePasswordOfTheDirectConnection(CapturedOutput output) {
		this.application
			.withPropertyValues("pgqueue.direct.url=" + Applications.url(this.database, "password=" + SECRET),
					"pgqueue.direct.user=nobody", "pgqueue.direct.password=" + SECRET)
			.run((context) -> {
				assertThat(context).hasFailed();
				assertThat(stackTrace(context)).contains("nobody").doesNotContain(SECRET);
			});
		assertThat(output).doesNotContain(SECRET);
	}

	@Test
	void aStartDoesNotShowThePassword(CapturedOutput output) {
		TestUser user = this.database.createUser();
		changePassword(user);
		this.database.jdbc().sql("GRANT CREATE ON DATABASE " + this.database.name() + " TO " + user.name()).update();
		this.application
			.withPropertyValues("spring.datasource.username=" + user.name(), "spring.datasource.password=" + SECRET,
					"pgqueue.schema=own")
			.run((context) -> assertThat(context).hasNotFailed());
		this.database.jdbc().sql("DROP OWNED BY " + user.name() + " CASCADE").update();
		assertThat(output).contains("Created queue 'inbox'").doesNotContain(SECRET);
	}

	private void changePassword(TestUser user) {
		this.database.jdbc().sql("ALTER ROLE " + user.name() + " PASSWORD '" + SECRET + "'").update();
	}

	private static String stackTrace(AssertableApplicationContext context) {
		StringWriter text = new StringWriter();
		context.getStartupFailure().printStackTrace(new PrintWriter(text));
		return text.toString();
	}

}
