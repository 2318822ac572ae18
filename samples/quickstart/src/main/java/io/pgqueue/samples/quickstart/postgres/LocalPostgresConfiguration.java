package io.pgqueue.samples.quickstart.postgres;

import java.nio.file.Path;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Condition;
import org.springframework.context.annotation.ConditionContext;
import org.springframework.context.annotation.Conditional;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.type.AnnotatedTypeMetadata;
import org.springframework.util.StringUtils;

/**
 * Brings a PostgreSQL, unless {@code spring.datasource.url} names one.
 */
@Configuration(proxyBeanMethods = false)
class LocalPostgresConfiguration {

	/**
	 * Starts the server, or finds it running. Boot's connection pool asks this bean where
	 * to connect to and therefore depends on it: when the application stops, Spring first
	 * closes the pool and then this.
	 * @param directory where data, log and lock go
	 * @return the server
	 */
	@Bean
	@Conditional(NoDatabaseGiven.class)
	LocalPostgres localPostgres(@Value("${quickstart.postgres-directory}") String directory) {
		return LocalPostgres.start(Path.of(directory));
	}

	/**
	 * True without {@code spring.datasource.url} or {@code SPRING_DATASOURCE_URL}.
	 */
	static class NoDatabaseGiven implements Condition {

		@Override
		public boolean matches(ConditionContext context, AnnotatedTypeMetadata metadata) {
			return !StringUtils.hasText(context.getEnvironment().getProperty("spring.datasource.url"));
		}

	}

}
