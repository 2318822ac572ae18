package io.pgqueue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

import org.jspecify.annotations.Nullable;

/**
 * Walks along the causes of a failure. Used by the library for what handlers throw, so it
 * survives causes that go round in a circle and exceptions that throw when asked.
 */
public final class Causes {

	private static final int MOST = 100;

	private Causes() {
	}

	/**
	 * Lists a failure and its causes.
	 * @param failure what was thrown
	 * @return the failure first, then its cause and so on; each once, at most a hundred
	 */
	public static List<Throwable> of(Throwable failure) {
		List<Throwable> found = new ArrayList<>(4);
		Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
		Throwable current = failure;
		while (current != null && found.size() < MOST && seen.add(current)) {
			found.add(current);
			current = causeOf(current);
		}
		return found;
	}

	private static @Nullable Throwable causeOf(Throwable failure) {
		try {
			return failure.getCause();
		}
		catch (RuntimeException | Error ex) {
			return null;
		}
	}

}
