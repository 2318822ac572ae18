package io.pgqueue.listener;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.function.Supplier;

import org.jspecify.annotations.Nullable;

/**
 * Makes text that can be stored out of what a handler threw. Whatever its methods do, a
 * failure must not keep its message from being settled.
 */
final class ErrorText {

	private static final int MOST_CHARACTERS = 2_000;

	private static final int MOST_OF_STACK = 8_000;

	private static final int FRAMES = 20;

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
	 * Returns where a failure and its causes were thrown: class names and the first
	 * frames of each. Without their messages, which may quote the payload.
	 */
	static @Nullable String stack(@Nullable Throwable failure) {
		if (failure == null) {
			return null;
		}
		StringBuilder text = new StringBuilder();
		Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
		Throwable one = failure;
		while (one != null && seen.add(one) && text.length() < MOST_OF_STACK) {
			text.append(text.isEmpty() ? "" : "Caused by: ").append(one.getClass().getName()).append('\n');
			appendFrames(text, one);
			one = orNull(one::getCause);
		}
		return clean(text.toString(), MOST_OF_STACK);
	}

	private static void appendFrames(StringBuilder text, Throwable one) {
		StackTraceElement[] frames = orNull(one::getStackTrace);
		if (frames == null) {
			return;
		}
		for (int i = 0; i < Math.min(frames.length, FRAMES); i++) {
			text.append("\tat ").append(frames[i]).append('\n');
		}
		if (frames.length > FRAMES) {
			text.append("\t... ").append(frames.length - FRAMES).append(" more\n");
		}
	}

	private static <T> @Nullable T orNull(Supplier<@Nullable T> method) {
		try {
			return method.get();
		}
		catch (RuntimeException | Error ex) {
			return null;
		}
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

	/**
	 * Returns a text without characters that PostgreSQL refuses, and cut.
	 */
	static String clean(String text) {
		return clean(text, MOST_CHARACTERS);
	}

	private static String clean(String text, int most) {
		StringBuilder cleaned = new StringBuilder();
		text.codePoints().limit(most).forEach((character) -> {
			boolean storable = character != 0
					&& !(character >= Character.MIN_SURROGATE && character <= Character.MAX_SURROGATE);
			cleaned.appendCodePoint(storable ? character : 0xFFFD);
		});
		return cleaned.toString();
	}

}
