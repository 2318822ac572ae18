package io.pgqueue;

import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

/**
 * Declares a queue. Applications publish beans of this type; a queue that is missing is
 * created when the application starts.
 *
 * @param name 1 to 100 characters out of {@code A-Z a-z 0-9 . _ -}
 */
public record Queue(String name) {

	private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,100}");

	public Queue {
		requireValidName(name);
	}

	/**
	 * Checks the name of a queue.
	 * @param name the name
	 * @return the name
	 * @throws InvalidConfigurationException if it is null, empty, too long, or has a
	 * character that is not allowed
	 */
	public static String requireValidName(@Nullable String name) {
		if (name == null || !NAME.matcher(name).matches()) {
			throw new InvalidConfigurationException("Invalid queue name " + quoted(name)
					+ ": use 1 to 100 characters out of A-Z, a-z, 0-9, '.', '_' and '-'");
		}
		return name;
	}

	private static String quoted(@Nullable String name) {
		if (name == null) {
			return "null";
		}
		String shown = (name.length() > 120) ? name.substring(0, 120) + "... (" + name.length() + " characters)" : name;
		return "'" + shown.replaceAll("\\p{Cntrl}", "?") + "'";
	}

}
