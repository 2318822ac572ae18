package io.pgqueue.autoconfigure;

import io.pgqueue.PgQueueException;

import org.springframework.boot.test.context.assertj.AssertableApplicationContext;

/**
 * Reasons why an application did not start.
 */
final class Failures {

	private Failures() {
	}

	/**
	 * The first exception of ours among the causes, or else the failure itself.
	 */
	static Throwable ofOurs(AssertableApplicationContext context) {
		return ofOurs(context.getStartupFailure());
	}

	static Throwable ofOurs(Throwable failure) {
		for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
			if (cause instanceof PgQueueException) {
				return cause;
			}
		}
		return failure;
	}

}
