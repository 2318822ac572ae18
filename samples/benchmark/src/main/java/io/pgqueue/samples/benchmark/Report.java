package io.pgqueue.samples.benchmark;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;

import io.pgqueue.samples.benchmark.Results.Cell;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.workload.Workload;

/**
 * The table for people: medians of all rounds.
 */
final class Report {

	private final Results results;

	Report(Results results) {
		this.results = results;
	}

	void print(PrintStream out) {
		for (QueueSystem system : this.results.options().systems()) {
			out.printf("%-13s %s%n", system.name(), system.tuning());
		}
		this.results.options().workloads().forEach((workload) -> table(out, workload));
		targets(out);
		this.results.failures().forEach((failure) -> out.println("FAILED " + failure));
	}

	private void table(PrintStream out, Workload workload) {
		List<QueueSystem> systems = this.results.options().systems(workload);
		if (systems.isEmpty()) {
			return;
		}
		out.printf("%n%s: %s%n", workload.name(), workload.title());
		List<Metric> metrics = List.of(Metric.values())
			.stream()
			.filter((metric) -> systems.stream()
				.anyMatch((system) -> this.results.median(new Cell(workload.name(), system.name()), metric) != null))
			.toList();
		StringBuilder header = new StringBuilder(String.format("  %-13s", "system"));
		metrics.forEach((metric) -> header.append(column(metric, metric.label())));
		out.println(header.append(String.format("%8s", "spread")));
		for (QueueSystem system : systems) {
			row(out, metrics, new Cell(workload.name(), system.name()));
		}
	}

	private void row(PrintStream out, List<Metric> metrics, Cell cell) {
		StringBuilder row = new StringBuilder(String.format("  %-13s", cell.system()));
		String missing = this.results.missing(cell);
		if (missing != null) {
			out.println(row.append(" n/a: ").append(missing));
			return;
		}
		for (Metric metric : metrics) {
			Double median = this.results.median(cell, metric);
			row.append(column(metric, (median != null) ? metric.format(median) : "-"));
		}
		row.append(String.format("%7.0f%%", 100 * spread(cell)));
		String notes = this.results.rounds(cell)
			.stream()
			.flatMap((figures) -> figures.notes().stream())
			.distinct()
			.collect(Collectors.joining("; "));
		out.println(row.append("  ").append(notes));
	}

	private static String column(Metric metric, String text) {
		return String.format("%" + (Math.max(metric.label().length(), 9) + 2) + "s", text);
	}

	/**
	 * How far the rounds are apart: the difference between the best and the worst, as a
	 * share of the median, of the rate or else of the latency.
	 */
	private double spread(Cell cell) {
		List<Double> values = new ArrayList<>();
		for (Metric metric : new Metric[] { Metric.RATE, Metric.P50, Metric.STATEMENTS_PER_MINUTE }) {
			if (values.isEmpty()) {
				values.addAll(this.results.values(cell, metric));
			}
		}
		Double median = Results.median(values);
		return (median != null && median > 0) ? (Collections.max(values) - Collections.min(values)) / median : 0;
	}

	private void targets(PrintStream out) {
		out.printf("%nTargets, required: both sides are measured in the same round%n");
		List<Target> targets = Target.of(this.results);
		targets.stream().filter(Target::required).forEach((target) -> target(out, target));
		out.printf("%nTargets, absolute: what a quiet machine with two cores should show%n");
		targets.stream().filter((target) -> !target.required()).forEach((target) -> target(out, target));
		out.println();
	}

	private static void target(PrintStream out, Target target) {
		String value = (target.value() != null) ? String.format("%,.2f", target.value()) : "-";
		out.printf("  %-4s  %-50s %12s  (%s %,.2f)%n", target.verdict(), target.name(), value,
				target.atLeast() ? "at least" : "at most", target.bound());
	}

}
