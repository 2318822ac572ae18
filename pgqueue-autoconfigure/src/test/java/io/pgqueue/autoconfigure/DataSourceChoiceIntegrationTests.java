package io.pgqueue.autoconfigure;

import javax.sql.DataSource;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.postgresql.ds.PGSimpleDataSource;

import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.core.env.Environment;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class DataSourceChoiceIntegrationTests {

	private final ApplicationContextRunner application;

	private final ApplicationContextRunner parent;

	private final ApplicationContextRunner child;

	DataSourceChoiceIntegrationTests(TestDatabase database) {
		this.parent = new ApplicationContextRunner().withPropertyValues(Applications.properties(database));
		this.child = new ApplicationContextRunner()
			.withConfiguration(AutoConfigurations.of(PgQueueAutoConfiguration.class));
		this.application = Applications.runner(database);
	}

	@Test
	void theOnlyOneIsTaken() {
		this.application.run((context) -> assertChosen(context, "dataSource"));
	}

	@Test
	void twoWithoutAChoiceFailWithASentenceThatNamesBoth() {
		assertFails(this.application.withUserConfiguration(Two.class),
				"There are several DataSource beans (first, second): choose the one for queues with pgqueue.datasource, @PgQueueDataSource or @Primary");
	}

	@Test
	void thePrimaryOneIsTaken() {
		this.application.withUserConfiguration(FirstIsPrimary.class).run((context) -> assertChosen(context, "first"));
	}

	@Test
	void theOnlyDefaultCandidateIsTaken() {
		this.application.withUserConfiguration(FirstIsNoDefaultCandidate.class)
			.run((context) -> assertChosen(context, "second"));
	}

	@Test
	void theMarkedOneIsTakenThoughAnotherIsPrimary() {
		this.application.withUserConfiguration(FirstIsPrimarySecondIsMarked.class)
			.run((context) -> assertChosen(context, "second"));
	}

	@Test
	void aMarkedClassIsTaken() {
		this.application.withUserConfiguration(Two.class, Third.class).run((context) -> assertChosen(context, "third"));
	}

	@Test
	void twoMarkedOnesFailWithASentenceThatNamesThem() {
		assertFails(this.application.withUserConfiguration(FirstIsPrimarySecondIsMarked.class, Third.class),
				"There are several DataSource beans (second, third)");
	}

	@Test
	void theNamedOneIsTakenThoughAnotherIsPrimaryOrMarked() {
		this.application.withUserConfiguration(FirstIsPrimarySecondIsMarked.class, Unmarked.class)
			.withPropertyValues("pgqueue.datasource=fourth")
			.run((context) -> assertChosen(context, "fourth"));
	}

	@Test
	void aWrongNameFailsWithASentenceThatNamesTheRightOnes() {
		assertFails(
				this.application.withUserConfiguration(FirstIsPrimary.class)
					.withPropertyValues("pgqueue.datasource=frist"),
				"pgqueue.datasource names 'frist', but there is no such DataSource bean. There are: first, second");
	}

	@Test
	void thoseOfTheParentContextCountAsWell() {
		this.parent.withUserConfiguration(FirstIsPrimary.class).run((parent) -> {
			this.child.withParent(parent).run((context) -> assertChosen(context, "first"));
			this.child.withParent(parent)
				.withPropertyValues("pgqueue.datasource=second")
				.run((context) -> assertChosen(context, "second"));
		});
	}

	private static void assertChosen(ApplicationContext context, String name) {
		assertThat(context.getBean(Infrastructure.class).pooled()).isSameAs(context.getBean(name));
	}

	private static void assertFails(ApplicationContextRunner application, String message) {
		application.run((context) -> assertThat(context).getFailure()
			.rootCause()
			.isInstanceOf(InvalidConfigurationException.class)
			.hasMessageContaining(message));
	}

	private static <T extends PGSimpleDataSource> T connect(T dataSource, Environment environment) {
		dataSource.setUrl(environment.getRequiredProperty("spring.datasource.url"));
		dataSource.setUser(environment.getRequiredProperty("spring.datasource.username"));
		dataSource.setPassword(environment.getRequiredProperty("spring.datasource.password"));
		return dataSource;
	}

	@Configuration(proxyBeanMethods = false)
	static class Two {

		@Bean
		DataSource first(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

		@Bean
		DataSource second(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class FirstIsPrimary {

		@Bean
		@Primary
		DataSource first(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

		@Bean
		DataSource second(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class FirstIsNoDefaultCandidate {

		@Bean(defaultCandidate = false)
		DataSource first(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

		@Bean
		DataSource second(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class FirstIsPrimarySecondIsMarked {

		@Bean
		@Primary
		DataSource first(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

		@Bean
		@PgQueueDataSource
		DataSource second(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Third {

		@Bean
		DataSource third(Environment environment) {
			return connect(new MarkedDataSource(), environment);
		}

	}

	@Configuration(proxyBeanMethods = false)
	static class Unmarked {

		@Bean
		DataSource fourth(Environment environment) {
			return connect(new PGSimpleDataSource(), environment);
		}

	}

	@PgQueueDataSource
	static class MarkedDataSource extends PGSimpleDataSource {

	}

}
