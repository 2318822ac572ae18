package io.pgqueue.test;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Waits for a condition, with a limit against hanging.
 */
public final class Await {

	private static final Duration LIMIT = Duration.ofSeconds(20);

	private Await() {
	}

	/**
	 * Waits until a condition holds, for 20 seconds at most.
	 * @param what what is waited for, for the failure's message
	 * @param condition the condition
	 */
	public static void until(String what, Callable<Boolean> condition) {
		until(what, LIMIT, condition);
	}

	/**
	 * Waits until a condition holds.
	 * @param what what is waited for, for the failure's message
	 * @param limit how long at most
	 * @param condition the condition; while it throws, it does not hold
	 */
	public static void until(String what, Duration limit, Callable<Boolean> condition) {
		long deadline = System.nanoTime() + limit.toNanos();
		while (true) {
			Exception failure = null;
			try {
				if (condition.call()) {
					return;
				}
			}
			catch (Exception ex) {
				failure = ex;
			}
			if (System.nanoTime() > deadline) {
				throw new AssertionError("Waited " + limit + " in vain until " + what, failure);
			}
			LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
			if (Thread.interrupted()) {
				throw new AssertionError("Interrupted while waiting until " + what, failure);
			}
		}
	}

}
