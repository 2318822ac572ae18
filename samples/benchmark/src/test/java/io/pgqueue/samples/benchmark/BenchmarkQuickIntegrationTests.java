package io.pgqueue.samples.benchmark;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

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
		assertThat(root.get("results").size())
			.isEqualTo(results.options().workloads().size() * results.options().systems().size());
	}

}
