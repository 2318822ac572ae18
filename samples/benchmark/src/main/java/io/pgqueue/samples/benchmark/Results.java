package io.pgqueue.samples.benchmark;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import org.jspecify.annotations.Nullable;

/**
 * Everything that was measured, round by round.
 */
final class Results {

	private final Environment environment;

	private final Options options;

	private final Map<Cell, List<Figures>> rounds = new LinkedHashMap<>();

	private final Map<Cell, String> missing = new LinkedHashMap<>();

	private final List<String> failures = new ArrayList<>();

	Results(Environment environment, Options options) {
		this.environment = environment;
		this.options = options;
	}

	Environment environment() {
		return this.environment;
	}

	Options options() {
		return this.options;
	}

	void add(Cell cell, Figures figures) {
		this.rounds.computeIfAbsent(cell, (key) -> new ArrayList<>()).add(figures);
	}

	/**
	 * Notes that a system does not have a workload.
	 */
	void unsupported(Cell cell, String reason) {
		this.missing.put(cell, reason);
	}

	/**
	 * Notes that a run has failed.
	 */
	void failed(Cell cell, Throwable failure) {
		this.failures.add(cell.workload() + ", " + cell.system() + ": " + failure);
		this.missing.put(cell, "FAILED: " + failure);
	}

	/**
	 * Notes that the rest could not run.
	 */
	void aborted(Throwable failure) {
		this.failures.add("the server does not answer, the rest did not run: " + failure);
	}

	List<String> failures() {
		return this.failures;
	}

	@Nullable String missing(Cell cell) {
		return this.missing.get(cell);
	}

	List<Figures> rounds(Cell cell) {
		return this.rounds.getOrDefault(cell, List.of());
	}

	/**
	 * Returns the value of each round that has one.
	 */
	List<Double> values(Cell cell, Metric metric) {
		return rounds(cell).stream()
			.map((figures) -> figures.get(metric))
			.filter(Objects::nonNull)
			.map(Double.class::cast)
			.toList();
	}

	@Nullable Double median(Cell cell, Metric metric) {
		return median(values(cell, metric));
	}

	static @Nullable Double median(List<Double> values) {
		if (values.isEmpty()) {
			return null;
		}
		List<Double> sorted = values.stream().sorted().toList();
		int middle = sorted.size() / 2;
		return (sorted.size() % 2 == 1) ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
	}

	/**
	 * One row of the table.
	 *
	 * @param workload name of the workload
	 * @param system name of the system
	 */
	record Cell(String workload, String system) {
	}

}
