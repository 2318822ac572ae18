package io.pgqueue.samples.benchmark;

import java.io.PrintStream;
import java.time.Instant;
import java.util.Arrays;

import io.pgqueue.samples.benchmark.server.BenchmarkServer;
import io.pgqueue.samples.benchmark.workload.RemoteSender;

/**
 * The command. See README.md.
 */
public final class Benchmark {

	private Benchmark() {
	}

	/**
	 * Runs the benchmark.
	 * @param args options
	 * @throws Exception if it cannot run
	 */
	public static void main(String... args) throws Exception {
		if (args.length > 0 && args[0].equals(RemoteSender.COMMAND)) {
			RemoteSender.run(args);
			return;
		}
		if (Arrays.asList(args).contains("--help")) {
			System.out.print(Options.HELP);
			return;
		}
		Results results = run(Options.parse(args), System.out);
		// Not all peers end their threads.
		System.exit(results.failures().isEmpty() ? 0 : 1);
	}

	static Results run(Options options, PrintStream out) throws Exception {
		try (BenchmarkServer server = (options.url() != null) ? BenchmarkServer.at(options.url())
				: BenchmarkServer.start(options.settings())) {
			Results results = new Results(Environment.of(server), options);
			results.environment().print(out);
			new Plan(options, server, results, out).run();
			new Report(results).print(out);
			new JsonFile(results).write(options.json(), Instant.now());
			out.println("All figures of all rounds: " + options.json());
			return results;
		}
	}

}
