package io.pgqueue.test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import org.junit.jupiter.api.Assumptions;

/**
 * A program that tests tagged {@code system} need and that a JDK and Maven do not bring.
 */
public final class SystemProgram {

	private static final Set<String> reported = ConcurrentHashMap.newKeySet();

	private SystemProgram() {
	}

	/**
	 * Finds a program. Where it is missing the test is not run, of which one line tells,
	 * or fails if {@code PGQUEUE_SYSTEM_TESTS} is {@code required}.
	 * @param name name of the program
	 * @return its path
	 */
	public static Path find(String name) {
		List<String> directories = new ArrayList<>(List.of(System.getenv("PATH").split(":")));
		directories.addAll(List.of("/usr/sbin", "/usr/local/sbin"));
		for (String directory : directories) {
			Path program = Path.of(directory, name);
			if (Files.isExecutable(program)) {
				return program;
			}
		}
		String missing = "Tests that need the program " + name + " are not run: it is missing";
		if ("required".equals(System.getenv("PGQUEUE_SYSTEM_TESTS"))) {
			throw new IllegalStateException(missing);
		}
		if (reported.add(name)) {
			System.out.println(missing);
		}
		return Assumptions.abort(missing);
	}

}
