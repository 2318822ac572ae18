package io.pgqueue.autoconfigure;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

/**
 * Optional libraries are used in one place each, and little is public.
 */
class ArchitectureTests {

	private final JavaClasses classes = new ClassFileImporter()
		.withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
		.importPackages("io.pgqueue.autoconfigure");

	@Test
	void micrometerIsUsedByTheMetricsOnly() {
		noClasses().that()
			.resideOutsideOfPackage("io.pgqueue.autoconfigure.metrics")
			.should()
			.dependOnClassesThat()
			.resideInAPackage("io.micrometer..")
			.check(this.classes);
	}

	@Test
	void healthIsUsedByTheHealthOnly() {
		noClasses().that()
			.resideOutsideOfPackage("io.pgqueue.autoconfigure.health")
			.should()
			.dependOnClassesThat()
			.resideInAPackage("org.springframework.boot.health..")
			.check(this.classes);
	}

	@Test
	void hikariIsUsedApart() {
		noClasses().that()
			.haveNameNotMatching(".*\\$Hikari")
			.should()
			.dependOnClassesThat()
			.resideInAPackage("com.zaxxer..")
			.check(this.classes);
	}

	@Test
	void nothingUsesTheModulesOfBootThatApplicationsMayLack() {
		noClasses().should()
			.dependOnClassesThat()
			.resideInAnyPackage("org.springframework.boot.jackson..", "org.springframework.boot.flyway..",
					"org.springframework.boot.liquibase..", "org.springframework.boot.micrometer..",
					"org.springframework.boot.actuate..", "org.springframework.boot.web..")
			.check(this.classes);
	}

	@Test
	void onlyConfigurationIsPublic() {
		classes().that()
			.arePublic()
			.and()
			.areTopLevelClasses()
			.should()
			.haveSimpleNameEndingWith("AutoConfiguration")
			.orShould()
			.haveSimpleName("PgQueueProperties")
			.orShould()
			.haveSimpleName("PgQueueDataSource")
			.check(this.classes);
	}

}
