package io.pgqueue.engine;

import java.util.function.IntFunction;

import org.springframework.dao.QueryTimeoutException;

/**
 * How much to do in one statement, where the server may have a {@code statement_timeout}:
 * half as much after a statement that was cancelled, a little more after one that was
 * not. Thread-safe.
 */
public final class Portion {

	private final int most;

	private volatile int size;

	/**
	 * Creates a portion.
	 * @param most how much to do at most, and at first
	 */
	public Portion(int most) {
		this.most = most;
		this.size = most;
	}

	/**
	 * Returns how much to do in the next statement.
	 * @return how much, at least 1
	 */
	public int size() {
		return this.size;
	}

	/**
	 * Reports that a statement of this size was not cancelled.
	 */
	public void done() {
		int current = this.size;
		if (current < this.most) {
			this.size = (int) Math.min(this.most, current + 1L + current / 4);
		}
	}

	/**
	 * Reports that a statement was cancelled.
	 * @param tried how much it was to do
	 * @return false if it was to do no more than 1: it cannot be done in less
	 */
	public boolean cancelled(int tried) {
		this.size = Math.max(1, tried / 2);
		return tried > 1;
	}

	/**
	 * Runs a statement, with less and less to do until the server lets it finish.
	 * @param <T> what it returns
	 * @param wanted how much there is to do, at least 1
	 * @param statement the statement, which is given how much to do
	 * @return what it returned
	 * @throws QueryTimeoutException if it was cancelled with 1 to do
	 */
	public <T> T run(int wanted, IntFunction<T> statement) {
		while (true) {
			int tried = Math.min(wanted, this.size);
			try {
				T result = statement.apply(tried);
				done();
				return result;
			}
			catch (QueryTimeoutException ex) {
				if (!cancelled(tried)) {
					throw ex;
				}
			}
		}
	}

}
