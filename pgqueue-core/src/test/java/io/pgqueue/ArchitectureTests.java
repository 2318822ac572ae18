package io.pgqueue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import io.pgqueue.client.QueueTemplate;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * The only allowed arrows between packages, and what must not be used at all.
 */
class ArchitectureTests {

	private static final String ROOT = "io.pgqueue";

	/**
	 * Which of our packages a package may use; every one may use the contracts.
	 */
	private static final Map<String, Set<String>> ALLOWED = Map.ofEntries(Map.entry("", Set.of()),
			Map.entry("schema", Set.of()), Map.entry("engine", Set.of()), Map.entry("wakeup", Set.of()),
			Map.entry("observation", Set.of()), Map.entry("client", Set.of("engine", "wakeup", "observation")),
			Map.entry("worker", Set.of("engine", "wakeup")),
			Map.entry("listener", Set.of("engine", "wakeup", "worker", "observation")),
			Map.entry("annotation", Set.of("listener")), Map.entry("schedule", Set.of("engine")),
			Map.entry("routing", Set.of("engine")), Map.entry("admin", Set.of("engine")));

	private static final JavaClasses ours = new ClassFileImporter()
		.withImportOption(new ImportOption.DoNotIncludeTests())
		.importPackages(ROOT);

	@ParameterizedTest
	@MethodSource("packages")
	void aPackageUsesOnlyWhatItsArrowsAllow(String name) {
		assertThat(ALLOWED).as("packages with arrows in the design").containsKey(name);
		arrowsOf(name).check(ours);
	}

	@Test
	void packagesHaveNoCycles() {
		slices().matching(ROOT + ".(*)..")
			.should()
			.beFreeOfCycles()
			.because("what depends on each other in a circle can only be understood and changed as a whole")
			.check(ours);
	}

	@Test
	void onlyThePackagesThatTalkToTheDatabaseUseJdbc() {
		noClasses()
			.that(resideOutsideOfPackage("io.pgqueue.engine").and(resideOutsideOfPackage("io.pgqueue.wakeup"))
				.and(resideOutsideOfPackage("io.pgqueue.schema")))
			.should()
			.dependOnClassesThat()
			.resideInAPackage("java.sql..")
			.because("every statement is to be found in the engine, in LISTEN/NOTIFY or in the schema's migration")
			.check(ours);
	}

	@Test
	void nothingUsesSpringBoot() {
		noClasses().should()
			.dependOnClassesThat()
			.resideInAPackage("org.springframework.boot..")
			.because("the core works without Spring Boot")
			.check(ours);
	}

	@Test
	void nothingDeserializesJavaObjects() {
		noClasses().should()
			.dependOnClassesThat()
			.haveFullyQualifiedName("java.io.ObjectInputStream")
			.because("whoever can write a message could run code in every consumer")
			.check(ours);
	}

	@Test
	void noMessageNamesTheClassThatItIsReadAs() {
		noClasses().should()
			.callMethodWhere(describe("its name is activateDefaultTyping",
					(call) -> call.getTarget().getName().startsWith("activateDefaultTyping")))
			.because("whoever can write a message could choose the class that is made of it")
			.check(ours);
	}

	@Test
	void everyPackageSaysWhatItIsAndIsNullMarked() {
		List<String> unmarked = new ArrayList<>();
		for (String name : packages().toList()) {
			JavaPackage one = ours.getPackage(name.isEmpty() ? ROOT : ROOT + "." + name);
			if (one.tryGetPackageInfo().filter((info) -> info.isAnnotatedWith(NullMarked.class)).isEmpty()) {
				unmarked.add(one.getName());
			}
		}
		assertThat(unmarked)
			.as("packages without a package-info that is @NullMarked, although NullAway checks nothing there")
			.isEmpty();
	}

	@Test
	void aForbiddenArrowWouldBeFound() {
		JavaClasses found = new ClassFileImporter().importClasses(ForbiddenArrow.class);
		assertThatExceptionOfType(AssertionError.class).isThrownBy(() -> arrowsOf("").check(found))
			.withMessageContaining("the only arrows")
			.withMessageContaining("QueueTemplate");
	}

	static Stream<String> packages() {
		Set<String> names = new TreeSet<>();
		for (JavaClass one : ours) {
			names.add(one.getPackageName().equals(ROOT) ? "" : one.getPackageName().substring(ROOT.length() + 1));
		}
		return names.stream();
	}

	private static ArchRule arrowsOf(String name) {
		List<String> allowed = new ArrayList<>(List.of(ROOT));
		allowed.add(name.isEmpty() ? ROOT : ROOT + "." + name);
		ALLOWED.get(name).forEach((target) -> allowed.add(ROOT + "." + target));
		return classes().that()
			.resideInAPackage(name.isEmpty() ? ROOT : ROOT + "." + name)
			.should()
			.onlyDependOnClassesThat(
					resideOutsideOfPackage(ROOT + "..").or(resideInAnyPackage(allowed.toArray(String[]::new))))
			.because("these are the only arrows of the architecture");
	}

	/**
	 * A contract that uses the client.
	 */
	static final class ForbiddenArrow {

		Object template() {
			return QueueTemplate.class;
		}

	}

}
