package io.pgqueue.samples.benchmark;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

import io.pgqueue.samples.benchmark.server.BenchmarkServer;
import io.pgqueue.samples.benchmark.system.BenchmarkMessage;

/**
 * Where the figures come from.
 *
 * @param durable whether commits survive a loss of power
 * @param machine machine and Java
 * @param server settings of the server
 */
record Environment(boolean durable, Map<String, String> machine, Map<String, String> server) {

	static Environment of(BenchmarkServer server) throws IOException {
		Map<String, String> machine = new LinkedHashMap<>();
		machine.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
		machine.put("processor", processor());
		machine.put("system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
		machine.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
		machine.put("heap", Runtime.getRuntime().maxMemory() / 1048576 + " MB");
		machine.put("load", loadAverage());
		machine.put("payload", BenchmarkMessage.BYTES + " bytes of JSON");
		return new Environment(server.isDurable(), machine, server.settings());
	}

	private static String processor() throws IOException {
		Path file = Path.of("/proc/cpuinfo");
		return !Files.exists(file) ? System.getProperty("os.arch")
				: Files.readAllLines(file)
					.stream()
					.filter((line) -> line.startsWith("model name"))
					.map((line) -> line.replaceAll(".*: *", ""))
					.findFirst()
					.orElse(System.getProperty("os.arch"));
	}

	private static String loadAverage() throws IOException {
		Path file = Path.of("/proc/loadavg");
		return Files.exists(file) ? Files.readString(file).strip() : "unknown";
	}

	void print(PrintStream out) {
		this.machine.forEach((name, value) -> out.printf("%-26s %s%n", name, value));
		this.server.forEach((name, value) -> out.printf("%-26s %s%n", name, value));
		if (!this.durable) {
			out.println("NOT DURABLE: fsync or synchronous_commit is off, these figures mean nothing");
		}
		out.println();
	}

}
