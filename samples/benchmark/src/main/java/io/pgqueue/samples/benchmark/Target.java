package io.pgqueue.samples.benchmark;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

import io.pgqueue.samples.benchmark.Results.Cell;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.Systems;
import org.jspecify.annotations.Nullable;

/**
 * What the library wants to reach, as in the project's quality goals.
 *
 * @param name what is compared
 * @param required whether it holds on any machine, because both sides were measured in
 * the same round; absolute figures are what a quiet machine with two cores should show
 * @param atLeast whether more is better
 * @param bound the bound
 * @param value what was measured: the median over the rounds
 */
record Target(String name, boolean required, boolean atLeast, double bound, @Nullable Double value) {

	static List<Target> of(Results results) {
		List<Target> targets = new ArrayList<>();
		targets.add(ratio(results, "drain-single", "engine", 0.5));
		targets.add(ratio(results, "drain-batch", "engine", 0.8));
		targets.add(ratio(results, "send-batch-1", "jdbc", 0.7));
		targets.add(ratio(results, "send-batch-8", "jdbc", 0.7));
		targets.add(ratio(results, "send-16", Systems.POLLING, 0.95));
		targets.add(ratio(results, "transactional", "jdbc", 0.9));
		targets.add(own(results, "held-single", Metric.RATIO, "held / clean", true, 0.95));
		targets.add(own(results, "held-batch", Metric.RATIO, "held / clean", true, 0.95));
		targets.add(own(results, "backlog", Metric.RATIO, "large / small", true, 0.9));
		targets.add(claims(results, "latency-same-jvm", 3));
		targets.add(claims(results, "latency-other-jvm", 4));
		targets.add(own(results, "idle", Metric.STATEMENTS_PER_MINUTE, "statements a minute", false, 10));
		targets.add(absolute(results, "drain-single", Metric.RATE, true, 60_000));
		targets.add(absolute(results, "drain-batch", Metric.RATE, true, 100_000));
		targets.add(absolute(results, "send-batch-1", Metric.RATE, true, 60_000));
		targets.add(absolute(results, "steady", Metric.RATE, true, 35_000));
		targets.add(absolute(results, "transactional", Metric.RATE, true, 8_000));
		targets.add(absolute(results, "drain-batch", Metric.SERVER_CPU, false, 10));
		targets.add(absolute(results, "drain-batch", Metric.WAL, false, 60));
		targets.add(absolute(results, "latency-same-jvm", Metric.P50, false, 0.5));
		targets.add(absolute(results, "latency-same-jvm", Metric.P99, false, 2));
		targets.add(absolute(results, "latency-other-jvm", Metric.P50, false, 1));
		targets.add(absolute(results, "latency-other-jvm", Metric.P99, false, 3));
		return targets;
	}

	private static Target ratio(Results results, String workload, String other, double bound) {
		Cell ours = new Cell(workload, Systems.OURS);
		Cell theirs = new Cell(workload, other);
		return new Target(workload + ": " + Systems.OURS + " / " + other, true, true, bound,
				quotient(results, ours, Metric.RATE, theirs, Metric.RATE));
	}

	/**
	 * Compares a latency with what a claim takes by plain JDBC, which is measured with
	 * messages from the same JVM.
	 */
	private static Target claims(Results results, String workload, double bound) {
		return new Target(workload + ": p50 / one claim's round trip", true, false, bound,
				quotient(results, new Cell(workload, Systems.OURS), Metric.P50, new Cell("latency-same-jvm", "engine"),
						Metric.CLAIM_P50));
	}

	private static Target own(Results results, String workload, Metric metric, String name, boolean atLeast,
			double bound) {
		return new Target(workload + ": " + name, true, atLeast, bound,
				results.median(new Cell(workload, Systems.OURS), metric));
	}

	private static Target absolute(Results results, String workload, Metric metric, boolean atLeast, double bound) {
		return new Target(workload + ": " + metric.label(), false, atLeast, bound,
				results.median(new Cell(workload, Systems.OURS), metric));
	}

	/**
	 * The median of the rounds' quotients, because within a round the machine was the
	 * same.
	 */
	private static @Nullable Double quotient(Results results, Cell upper, Metric upperMetric, Cell lower,
			Metric lowerMetric) {
		List<Double> dividends = results.values(upper, upperMetric);
		List<Double> divisors = results.values(lower, lowerMetric);
		BiFunction<Double, Double, Double> divide = (dividend, divisor) -> dividend / divisor;
		List<Double> quotients = new ArrayList<>();
		for (int i = 0; i < Math.min(dividends.size(), divisors.size()); i++) {
			quotients.add(divide.apply(dividends.get(i), divisors.get(i)));
		}
		return Results.median(quotients);
	}

	String verdict() {
		if (this.value == null) {
			return "n/a";
		}
		boolean reached = this.atLeast ? this.value >= this.bound : this.value <= this.bound;
		return reached ? "PASS" : "FAIL";
	}

}
