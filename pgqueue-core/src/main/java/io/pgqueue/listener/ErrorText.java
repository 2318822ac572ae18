package io.pgqueue.listener;

import org.jspecify.annotations.Nullable;

/**
 * Makes text that can be stored out of what a handler threw.
 */
final class ErrorText {

	private static final int MOST_CHARACTERS = 2_000;

	private static final int MOST_LOGGED = 300;

	private ErrorText() {
	}

	static @Nullable String className(@Nullable Throwable failure) {
		return (failure != null) ? failure.getClass().getName() : null;
	}

	/**
	 * Returns the message without characters that PostgreSQL refuses, and cut.
	 */
	static @Nullable String message(@Nullable Throwable failure) {
		if (failure == null) {
			return null;
		}
		String message;
		try {
			message = failure.getMessage();
		}
		catch (RuntimeException | Error ex) {
			message = "(getMessage() threw " + ex.getClass().getName() + ")";
		}
		return (message != null) ? clean(message) : null;
	}

	/**
	 * Returns class and message on one short line, for a log.
	 */
	static String oneLine(Throwable failure) {
		String message = message(failure);
		String line = failure.getClass().getName() + ((message != null) ? ": " + message : "");
		line = line.replaceAll("\\p{Cntrl}+", " ");
		return (line.length() > MOST_LOGGED) ? line.substring(0, MOST_LOGGED) + "..." : line;
	}

	private static String clean(String text) {
		StringBuilder cleaned = new StringBuilder();
		text.codePoints().limit(MOST_CHARACTERS).forEach((character) -> {
			boolean storable = character != 0
					&& !(character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE);
			cleaned.appendCodePoint(storable ? character : 0xFFFD);
		});
		return cleaned.toString();
	}

}
