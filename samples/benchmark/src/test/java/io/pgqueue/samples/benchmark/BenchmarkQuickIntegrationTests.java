package io.pgqueue.samples.benchmark;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

import static org.assertj.core.api.Assertions.assertThat;

@Tag("postgres")
class BenchmarkQuickIntegrationTests {

	@Test
	void everyWorkloadRunsOnEverySystemAndIsReported(@TempDir Path directory) throws Exception {
		Path json = directory.resolve("benchmark.json");
		ByteArrayOutputStream output = new ByteArrayOutputStream();
		Results results = Benchmark.run(Options.parse("--quick", "--json", json.toString()),
				new PrintStream(output, true, StandardCharsets.UTF_8));
		String text = output.toString(StandardCharsets.UTF_8);
		assertThat(results.failures()).as(text).isEmpty();
		assertThat(results.environment().durable()).as("fsync and synchronous_commit are on").isTrue();
		assertThat(text).contains("drain-single: pgqueue / engine").doesNotContain("handled twice", "time limit");
		JsonNode root = JsonMapper.shared().readTree(json);
		List<String> systems = root.get("results").valueStream().map((cell) -> cell.get("system").asString()).toList();
		assertThat(systems).filteredOn("pgqueue"::equals).hasSize(results.options().workloads().size());
		assertThat(systems).filteredOn("jobrunr"::equals).hasSize(results.options().workloads().size() - 1);
		assertThat(root.get("results")
			.valueStream()
			.filter((cell) -> cell.get("system").asString().equals("pgqueue-poll")))
			.allSatisfy((cell) -> assertThat(cell.get("rounds").size()).isOne())
			.extracting((cell) -> cell.get("workload").asString())
			.containsExactly("send-16", "latency-same-jvm", "latency-other-jvm");
		assertThat(text).contains("send-16: pgqueue / pgqueue-poll").containsOnlyOnce("send-16: 16 threads");
	}

}
