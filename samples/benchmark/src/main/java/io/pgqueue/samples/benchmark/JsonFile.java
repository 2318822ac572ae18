package io.pgqueue.samples.benchmark;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import io.pgqueue.samples.benchmark.Results.Cell;
import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.measure.Metric;
import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.workload.Workload;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The file for programs: medians, and every figure of every round.
 */
final class JsonFile {

	private final Results results;

	JsonFile(Results results) {
		this.results = results;
	}

	void write(Path file, Instant now) throws Exception {
		Map<String, Object> root = new LinkedHashMap<>();
		root.put("date", now.toString());
		root.put("durable", this.results.environment().durable());
		root.put("machine", this.results.environment().machine());
		root.put("server", this.results.environment().server());
		Map<String, String> systems = new LinkedHashMap<>();
		this.results.options().systems().forEach((system) -> systems.put(system.name(), system.tuning()));
		root.put("systems", systems);
		List<Object> cells = new ArrayList<>();
		for (Workload workload : this.results.options().workloads()) {
			for (QueueSystem system : this.results.options().systems(workload)) {
				cells.add(cell(new Cell(workload.name(), system.name())));
			}
		}
		root.put("results", cells);
		root.put("targets", Target.of(this.results).stream().map(JsonFile::target).toList());
		Path parent = file.toAbsolutePath().getParent();
		if (parent != null) {
			Files.createDirectories(parent);
		}
		JsonMapper mapper = JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
		Files.write(file, mapper.writeValueAsBytes(root));
	}

	private Map<String, Object> cell(Cell cell) {
		Map<String, Object> json = new LinkedHashMap<>();
		json.put("workload", cell.workload());
		json.put("system", cell.system());
		String missing = this.results.missing(cell);
		if (missing != null) {
			json.put("missing", missing);
		}
		Map<String, Object> medians = new LinkedHashMap<>();
		for (Metric metric : Metric.values()) {
			Double median = this.results.median(cell, metric);
			if (median != null) {
				medians.put(metric.label(), median);
			}
		}
		json.put("median", medians);
		json.put("rounds", this.results.rounds(cell).stream().map(JsonFile::round).toList());
		return json;
	}

	private static Map<String, Object> round(Figures figures) {
		Map<String, Object> json = new LinkedHashMap<>();
		figures.values().forEach((metric, value) -> json.put(metric.label(), value));
		if (!figures.notes().isEmpty()) {
			json.put("notes", figures.notes());
		}
		return json;
	}

	private static Map<String, Object> target(Target target) {
		Map<String, Object> json = new LinkedHashMap<>();
		json.put("name", target.name());
		json.put("required", target.required());
		json.put(target.atLeast() ? "atLeast" : "atMost", target.bound());
		if (target.value() != null) {
			json.put("value", target.value());
		}
		json.put("verdict", target.verdict());
		return json;
	}

}
