package io.pgqueue.samples.benchmark;

import java.io.File;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.system.Systems;
import io.pgqueue.samples.benchmark.workload.Sizes;
import io.pgqueue.samples.benchmark.workload.Workload;
import io.pgqueue.samples.benchmark.workload.Workloads;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.system.ApplicationHome;

/**
 * What was asked for on the command line.
 *
 * @param systems the systems to compare
 * @param workloads the workloads to run
 * @param rounds how many rounds count
 * @param quick whether only to see that it works
 * @param sizes how much of everything
 * @param url server to use, or null for an embedded one
 * @param settings settings of the embedded server
 * @param json file for all figures
 * @param profile directory for profiles, or null for none
 */
record Options(List<QueueSystem> systems, List<Workload> workloads, int rounds, boolean quick, Sizes sizes,
		@Nullable String url, Map<String, String> settings, Path json, @Nullable Path profile) {

	static final String HELP = """
			java -jar samples/benchmark/target/benchmark.jar [options]

			--systems a,b      only these systems: jdbc, engine, pgqueue, pgqueue-poll, pgmq, db-scheduler,
			                   jobrunr
			--workloads a,b    only workloads whose names begin so: send-one, send-batch-1, send-batch-8, send-16,
			                   drain-single, drain-batch, steady, transactional, latency-same-jvm,
			                   latency-other-jvm, held-single, held-batch, trickle, backlog, noise, idle
			--rounds N         rounds that count (5); a shorter one goes before and does not count
			--messages N       messages of a drain or batch send (200000); other workloads take a part of it
			--backlog N        the large backlog (5000000)
			--log N            messages that go through before held and trickle measure (1000000)
			--limit SECONDS    how long one step may take (60); what was done by then counts
			--quick            everything tiny, one round, no warm-up, each system only once in each mode: only shows
			                   that it works
			--url JDBC-URL     uses this server, as a superuser, instead of an embedded one
			--set NAME=VALUE   a setting of the embedded server, more than once if need be
			--json FILE        where to write all figures (target/benchmark.json)
			--profile DIR      writes a JFR recording and the server's top statements for each workload of pgqueue
			""";

	private static final String QUICK = "--quick";

	private static final Set<String> NAMES = Set.of("--systems", "--workloads", "--rounds", "--messages", "--backlog",
			"--log", "--limit", "--url", "--set", "--json", "--profile");

	private static final Sizes FULL_SIZES = new Sizes(200_000, 20_000, 5_000_000, 50_000, 1_000_000, 500,
			Duration.ofSeconds(20), Duration.ofSeconds(60));

	private static final Sizes QUICK_SIZES = new Sizes(1_000, 0, 3_000, 500, 2_000, 20, Duration.ofSeconds(1),
			Duration.ofSeconds(20));

	static Options parse(String... args) {
		boolean quick = List.of(args).contains(QUICK);
		Map<String, String> given = new HashMap<>();
		Map<String, String> settings = new LinkedHashMap<>();
		Deque<String> left = new ArrayDeque<>(List.of(args));
		while (!left.isEmpty()) {
			String name = left.remove();
			if (name.equals(QUICK)) {
				continue;
			}
			String value = left.poll();
			if (!NAMES.contains(name) || value == null) {
				throw new IllegalArgumentException("Unknown option, or no value: " + name + "\n\n" + HELP);
			}
			given.put(name, value);
			if (name.equals("--set")) {
				String[] setting = value.split("=", 2);
				settings.put(setting[0], setting[1]);
			}
		}
		int rounds = number(given, "--rounds", quick ? 1 : 5);
		String json = given.get("--json");
		String profile = given.get("--profile");
		return new Options(systems(given.get("--systems")), workloads(given.get("--workloads")), rounds, quick,
				sizes(given, quick ? QUICK_SIZES : FULL_SIZES), given.get("--url"), settings,
				(json != null) ? Path.of(json) : target().resolve("benchmark.json"),
				(profile != null) ? Path.of(profile) : null);
	}

	/**
	 * Returns the systems that a workload compares.
	 */
	List<QueueSystem> systems(Workload workload) {
		return this.systems.stream().filter((system) -> workload.compares(system.name())).toList();
	}

	private static Sizes sizes(Map<String, String> given, Sizes defaults) {
		int backlog = number(given, "--backlog", defaults.backlog());
		int smallBacklog = given.containsKey("--backlog") ? Math.max(1, backlog / 100) : defaults.smallBacklog();
		int messages = number(given, "--messages", defaults.messages());
		int warm = (defaults.warm() > 0) ? messages / 10 : 0;
		return new Sizes(messages, warm, backlog, smallBacklog, number(given, "--log", defaults.log()),
				defaults.paced(), defaults.idle(),
				Duration.ofSeconds(number(given, "--limit", (int) defaults.limit().toSeconds())));
	}

	private static int number(Map<String, String> given, String name, int otherwise) {
		String value = given.get(name);
		return (value != null) ? Integer.parseInt(value) : otherwise;
	}

	private static List<QueueSystem> systems(@Nullable String value) {
		return (value != null) ? Arrays.stream(value.split(",")).map(Systems::create).toList() : Systems.create();
	}

	private static List<Workload> workloads(@Nullable String value) {
		if (value == null) {
			return Workloads.all();
		}
		List<String> names = List.of(value.split(","));
		List<Workload> found = Workloads.all()
			.stream()
			.filter((workload) -> names.stream().anyMatch(workload.name()::startsWith))
			.toList();
		if (found.isEmpty()) {
			throw new IllegalArgumentException("No workload begins with " + value);
		}
		return found;
	}

	/**
	 * Finds the directory that this program was built into, wherever it is started from.
	 */
	private static Path target() {
		File source = new ApplicationHome(Benchmark.class).getSource();
		Path parent = (source != null) ? source.toPath().toAbsolutePath().getParent() : null;
		return (parent != null) ? parent : Path.of("").toAbsolutePath();
	}

}
