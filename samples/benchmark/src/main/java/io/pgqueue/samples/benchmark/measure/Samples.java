package io.pgqueue.samples.benchmark.measure;

import java.util.Arrays;

/**
 * Durations of single events. Thread-safe.
 */
public final class Samples {

	private long[] nanos = new long[1024];

	private int size;

	/**
	 * Adds a duration.
	 * @param duration nanoseconds
	 */
	public synchronized void add(long duration) {
		if (this.size == this.nanos.length) {
			this.nanos = Arrays.copyOf(this.nanos, this.size * 2);
		}
		this.nanos[this.size++] = duration;
	}

	/**
	 * Forgets everything.
	 */
	public synchronized void clear() {
		this.size = 0;
	}

	/**
	 * Returns how many durations there are.
	 * @return the number
	 */
	public synchronized int size() {
		return this.size;
	}

	/**
	 * Returns a percentile, by the nearest rank.
	 * @param share from 0 to 1
	 * @return milliseconds; NaN if there are no durations
	 */
	public synchronized double millis(double share) {
		if (this.size == 0) {
			return Double.NaN;
		}
		long[] sorted = Arrays.copyOf(this.nanos, this.size);
		Arrays.sort(sorted);
		return sorted[Math.max(0, (int) Math.ceil(share * this.size) - 1)] / 1e6;
	}

}
