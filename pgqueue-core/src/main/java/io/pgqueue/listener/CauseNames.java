package io.pgqueue.listener;

import java.util.List;
import java.util.stream.Collectors;

import io.pgqueue.Causes;

/**
 * Describes a failure by the classes of its causes. For failures whose texts would quote
 * the message that they are about.
 */
final class CauseNames {

	private CauseNames() {
	}

	static String of(Throwable failure) {
		List<Throwable> causes = Causes.of(failure);
		return causes.stream()
			.map((cause) -> cause.getClass().getSimpleName())
			.distinct()
			.limit(5)
			.collect(Collectors.joining(", caused by "));
	}

}
