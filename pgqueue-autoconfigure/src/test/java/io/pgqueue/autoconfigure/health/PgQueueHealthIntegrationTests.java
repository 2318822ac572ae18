package io.pgqueue.autoconfigure.health;

import java.time.Duration;
import java.util.Map;

import io.pgqueue.autoconfigure.Applications;
import io.pgqueue.autoconfigure.Inbox;
import io.pgqueue.listener.QueueListenerRegistry;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.PrivateServer;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.health.autoconfigure.contributor.HealthContributorAutoConfiguration;
import org.springframework.boot.health.autoconfigure.registry.HealthContributorRegistryAutoConfiguration;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;
import org.springframework.boot.health.registry.HealthContributorRegistry;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class PgQueueHealthIntegrationTests {

	private final TestDatabase database;

	private final ApplicationContextRunner application;

	PgQueueHealthIntegrationTests(TestDatabase database) {
		this.database = database;
		this.application = application(database);
	}

	@Test
	void isUpWithSchemaQueuesAndListeners() {
		this.application.withUserConfiguration(Inbox.class)
			.withPropertyValues("pgqueue.schema=health", "pgqueue.queues.another.concurrency=1")
			.run((context) -> {
				Await.until("the listener has looked into its queue",
						() -> listeners(health(context)).get("inbox").startsWith("last poll"));
				Health health = health(context);
				assertThat(health.getStatus()).isEqualTo(Status.UP);
				assertThat(health.getDetails()).containsEntry("schema", "health").containsEntry("queues", 2);
				assertThat(listeners(health)).containsOnlyKeys("inbox");
			});
	}

	@Test
	void tellsHowFarNotificationsArrive() {
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			Await.until("notifications arrive",
					() -> "arriving".equals(health(context).getDetails().get("notifications")));
			assertThat(health(context).getStatus()).isEqualTo(Status.UP);
		});
		this.application
			.run((context) -> assertThat(health(context).getDetails()).containsEntry("notifications", "stopped"));
		this.application.withPropertyValues("pgqueue.notify.enabled=false")
			.run((context) -> assertThat(health(context).getDetails()).containsEntry("notifications", "disabled"));
	}

	@Test
	void isUpWithoutAnyListener() {
		this.application.run((context) -> {
			assertThat(health(context).getStatus()).isEqualTo(Status.UP);
			assertThat(listeners(health(context))).isEmpty();
		});
	}

	@Test
	void isUpWhenAListenerWasStopped() {
		this.application.withUserConfiguration(Inbox.class).run((context) -> {
			context.getBean(QueueListenerRegistry.class).container("inbox").stop();
			assertThat(health(context).getStatus()).isEqualTo(Status.UP);
			assertThat(listeners(health(context))).containsEntry("inbox", "stopped");
		});
	}

	@Test
	void isPartOfTheHealthOfTheApplication() {
		this.application
			.withConfiguration(AutoConfigurations.of(HealthContributorAutoConfiguration.class,
					HealthContributorRegistryAutoConfiguration.class))
			.run((context) -> assertThat(context.getBean(HealthContributorRegistry.class).getContributor("pgqueue"))
				.isSameAs(context.getBean("pgqueueHealthIndicator")));
	}

	@Test
	void isNotThereWhenSwitchedOff() {
		this.application.withPropertyValues("management.health.pgqueue.enabled=false")
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(HealthIndicator.class));
		this.application.withPropertyValues("management.health.defaults.enabled=false")
			.run((context) -> assertThat(context).hasNotFailed().doesNotHaveBean(HealthIndicator.class));
		this.application
			.withPropertyValues("management.health.defaults.enabled=false", "management.health.pgqueue.enabled=true")
			.run((context) -> assertThat(context).hasSingleBean(HealthIndicator.class));
	}

	@Test
	void theIndicatorOfTheApplicationWins() {
		HealthIndicator own = () -> Health.unknown().build();
		this.application.withBean("pgqueueHealthIndicator", HealthIndicator.class, () -> own)
			.run((context) -> assertThat(context.getBean(HealthIndicator.class)).isSameAs(own));
	}

	@Test
	void isDownWhileTheDatabaseIsGone() {
		try (PrivateServer server = PrivateServer.start(Map.of()); TestDatabase own = server.createDatabase()) {
			application(own).withUserConfiguration(Inbox.class)
				.withPropertyValues("spring.datasource.hikari.connection-timeout=500",
						"spring.datasource.hikari.validation-timeout=400")
				.run((context) -> {
					assertThat(health(context).getStatus()).isEqualTo(Status.UP);
					server.killPostmaster();
					Health health = health(context);
					assertThat(health.getStatus()).isEqualTo(Status.DOWN);
					assertThat(health.getDetails().get("error").toString()).isNotBlank()
						.doesNotContain(own.password() + "@");
					server.restart();
					Await.until("it is up again", () -> health(context).getStatus().equals(Status.UP));
				});
		}
	}

	@Test
	@Tag("long")
	void isDownWhenAListenerCannotReadItsQueueForLong() {
		this.application.withUserConfiguration(Inbox.class).run((reading) -> {
			Await.until("the listener has looked into its queue",
					() -> listeners(health(reading)).get("inbox").startsWith("last poll"));
			this.database.jdbc().sql("ALTER TABLE pgqueue.cursor RENAME TO hidden").update();
			this.application.withUserConfiguration(Inbox.class).run((neverRead) -> {
				Await.until("the one that could read is down", Duration.ofSeconds(50),
						() -> health(reading).getStatus().equals(Status.DOWN));
				Await.until("the one that could never read is down", Duration.ofSeconds(20),
						() -> health(neverRead).getStatus().equals(Status.DOWN));
			});
			this.database.jdbc().sql("ALTER TABLE pgqueue.hidden RENAME TO cursor").update();
			Await.until("it is up again", () -> health(reading).getStatus().equals(Status.UP));
		});
	}

	private static ApplicationContextRunner application(TestDatabase database) {
		return Applications.runner(database)
			.withConfiguration(AutoConfigurations.of(PgQueueHealthAutoConfiguration.class));
	}

	private static Health health(ApplicationContext context) {
		return context.getBean(HealthIndicator.class).health(true);
	}

	@SuppressWarnings("unchecked")
	private static Map<String, String> listeners(Health health) {
		return (Map<String, String>) health.getDetails().get("listeners");
	}

}
