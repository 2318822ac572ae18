package io.pgqueue.samples.benchmark.measure;

import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

import org.jspecify.annotations.Nullable;

/**
 * What one run of one workload on one system has shown.
 */
public final class Figures {

	private final Map<Metric, Double> values = new EnumMap<>(Metric.class);

	private final Set<String> notes = new TreeSet<>();

	/**
	 * Sets a figure.
	 * @param metric which one
	 * @param value its value
	 * @return this object
	 */
	public Figures set(Metric metric, double value) {
		this.values.put(metric, value);
		return this;
	}

	/**
	 * Sets the percentiles of the latency.
	 * @param latencies the latencies
	 * @return this object
	 */
	public Figures latency(Samples latencies) {
		return set(Metric.P50, latencies.millis(0.50)).set(Metric.P95, latencies.millis(0.95))
			.set(Metric.P99, latencies.millis(0.99));
	}

	/**
	 * Sets the percentiles of the round trips of claims, if there were any.
	 * @param claims the round trips
	 * @return this object
	 */
	public Figures claims(Samples claims) {
		if (claims.size() > 0) {
			set(Metric.CLAIM_P50, claims.millis(0.50)).set(Metric.CLAIM_P99, claims.millis(0.99));
		}
		return this;
	}

	/**
	 * Adds something that a reader must know about these figures.
	 * @param note a few words
	 * @return this object
	 */
	public Figures note(String note) {
		this.notes.add(note);
		return this;
	}

	/**
	 * Returns a figure.
	 * @param metric which one
	 * @return its value, or null if the run does not show it
	 */
	public @Nullable Double get(Metric metric) {
		return this.values.get(metric);
	}

	/**
	 * Returns all figures.
	 * @return the figures, in the order of {@link Metric}
	 */
	public Map<Metric, Double> values() {
		return this.values;
	}

	/**
	 * Returns what a reader must know.
	 * @return the notes, sorted
	 */
	public Set<String> notes() {
		return this.notes;
	}

}
