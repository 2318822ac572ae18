package io.pgqueue.samples.benchmark.system;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names a peer by the file that it came in, because not every manifest has a version.
 */
final class JarName {

	private static final Pattern FILE = Pattern.compile("([^/!]+)\\.jar!?/?$");

	private JarName() {
	}

	static String of(Class<?> type) {
		Matcher file = FILE.matcher(type.getProtectionDomain().getCodeSource().getLocation().toString());
		return file.find() ? file.group(1) : type.getSimpleName();
	}

}
