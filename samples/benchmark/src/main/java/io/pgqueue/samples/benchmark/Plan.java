package io.pgqueue.samples.benchmark;

import java.io.PrintStream;
import java.util.HashSet;
import java.util.Set;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Meter;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.measure.Profile;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import io.pgqueue.samples.benchmark.server.BenchmarkServer;
import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.system.Systems;
import io.pgqueue.samples.benchmark.workload.Cell;
import io.pgqueue.samples.benchmark.workload.Sizes;
import io.pgqueue.samples.benchmark.workload.Workload;
import org.jspecify.annotations.Nullable;

import org.springframework.dao.DataAccessException;

/**
 * The order of the runs: all systems side by side in each workload, all workloads in each
 * round, so that a change of the machine's mood meets everybody.
 */
final class Plan {

	private final Options options;

	private final BenchmarkServer server;

	private final Results results;

	private final PrintStream out;

	Plan(Options options, BenchmarkServer server, Results results, PrintStream out) {
		this.options = options;
		this.server = server;
		this.results = results;
		this.out = out;
	}

	void run() {
		try {
			if (!this.options.quick()) {
				round(0, this.options.sizes().warmUp());
			}
			for (int round = 1; round <= this.options.rounds(); round++) {
				round(round, this.options.sizes());
			}
		}
		catch (DataAccessException ex) {
			this.results.aborted(ex);
		}
		this.out.println();
	}

	private void round(int round, Sizes sizes) {
		Set<String> seen = new HashSet<>();
		for (Workload workload : this.options.workloads()) {
			for (QueueSystem system : this.options.systems(workload)) {
				Results.Cell cell = new Results.Cell(workload.name(), system.name());
				String reason = system.unsupported(workload.mode());
				if (reason == null && this.options.quick() && !system.name().equals(Systems.OURS)
						&& !seen.add(system.name() + workload.mode())) {
					reason = "not in a quick run";
				}
				if (reason != null) {
					this.results.unsupported(cell, reason);
				}
				else {
					run(round, workload, system.name(), sizes);
				}
			}
		}
	}

	private void run(int round, Workload workload, String name, Sizes sizes) {
		Results.Cell cell = new Results.Cell(workload.name(), name);
		long started = System.nanoTime();
		String outcome;
		// Without this nothing works: it ends the whole run, anything else only this one.
		BenchmarkDatabase created = this.server.createDatabase();
		try (BenchmarkDatabase database = created; QueueSystem system = Systems.create(name)) {
			system.open(database.url(), workload.mode());
			Meter meter = new Meter(this.server, database, (round > 0) ? profile(cell) : null);
			Figures figures = workload
				.run(new Cell(system, workload.mode(), database, meter, sizes.times(system.share())));
			if (round > 0) {
				this.results.add(cell, figures);
			}
			outcome = headline(figures);
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
			throw new IllegalStateException(ex);
		}
		catch (Exception ex) {
			this.results.failed(cell, ex);
			ex.printStackTrace(this.out);
			outcome = "FAILED";
		}
		this.out.printf("%-9s %-18s %-13s %-40s %5.1f s%n", (round > 0) ? "round " + round : "warm-up", cell.workload(),
				cell.system(), outcome, (System.nanoTime() - started) / 1e9);
	}

	private @Nullable Profile profile(Results.Cell cell) {
		return (this.options.profile() != null && cell.system().equals(Systems.OURS))
				? new Profile(this.options.profile(), cell.workload()) : null;
	}

	private static String headline(Figures figures) {
		StringBuilder text = new StringBuilder();
		for (Metric metric : new Metric[] { Metric.RATE, Metric.P50, Metric.STATEMENTS_PER_MINUTE, Metric.RATIO }) {
			Double value = figures.get(metric);
			if (value != null) {
				text.append(metric.format(value)).append(' ').append(metric.label()).append("  ");
			}
		}
		return text.toString();
	}

}
