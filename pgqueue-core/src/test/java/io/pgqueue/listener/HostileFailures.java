package io.pgqueue.listener;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What handlers might throw.
 */
final class HostileFailures {

	/**
	 * By a name; each makes a new one.
	 */
	static final Map<String, Supplier<Throwable>> ALL = new LinkedHashMap<>();

	/**
	 * How the message begins that is stored of a failure, for those where it is known.
	 */
	static final Map<String, String> MESSAGES = new LinkedHashMap<>();

	static {
		add("an Error", () -> new AssertionError("failed"), "failed");
		add("a real StackOverflowError", HostileFailures::overflow, null);
		add("an OutOfMemoryError", () -> new OutOfMemoryError("pretended"), "pretended");
		add("a class that cannot be loaded", () -> new NoClassDefFoundError("no/Such"), "no/Such");
		add("an interrupt", () -> new InterruptedException("somebody"), "somebody");
		add("a failure after an interrupt of its own", HostileFailures::interrupting, "interrupted myself");
		add("no message", IllegalStateException::new, null);
		add("a NUL in the message", () -> new IllegalStateException("a\0b"), "a\uFFFDb");
		add("a lone surrogate", () -> new IllegalStateException("a\uD800b"), "a\uFFFDb");
		add("a pair of surrogates", () -> new IllegalStateException("\uD83D\uDE00"), "\uD83D\uDE00");
		add("a message of 10 MB", () -> new IllegalStateException("x".repeat(10_000_000)), "xxx");
		add("quotes, braces and backslashes", () -> new IllegalStateException("'\"{a,b}\\"), "'\"{a,b}\\");
		add("a message that throws", () -> new Unspeakable(new IllegalStateException()), "(getMessage() threw");
		add("a message that throws an Error", () -> new Unspeakable(new StackOverflowError()), null);
		add("an exception that contains itself", HostileFailures::cyclic, "cyclic");
	}

	private HostileFailures() {
	}

	private static void add(String name, Supplier<Throwable> failure, String message) {
		ALL.put(name, failure);
		if (message != null) {
			MESSAGES.put(name, message);
		}
	}

	@SuppressWarnings("unchecked")
	private static <T extends Throwable> void raise(Throwable failure) throws T {
		throw (T) failure;
	}

	private static Throwable overflow() {
		return overflow();
	}

	private static Throwable interrupting() {
		Thread.currentThread().interrupt();
		return new IllegalStateException("interrupted myself");
	}

	private static Throwable cyclic() {
		IllegalStateException outer = new IllegalStateException("cyclic");
		IllegalStateException inner = new IllegalStateException("inner", outer);
		outer.initCause(inner);
		outer.addSuppressed(inner);
		return outer;
	}

	static final class Unspeakable extends RuntimeException {

		private final transient Throwable failure;

		Unspeakable(Throwable failure) {
			this.failure = failure;
		}

		@Override
		public String getMessage() {
			HostileFailures.<RuntimeException>raise(this.failure);
			return "not reached";
		}

	}

}
