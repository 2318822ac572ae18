package io.pgqueue.samples.benchmark.workload;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import io.pgqueue.samples.benchmark.system.Mode;
import io.pgqueue.samples.benchmark.system.QueueSystem;
import io.pgqueue.samples.benchmark.system.Systems;

/**
 * A second process of this program that sends: opens the system, says that it is ready,
 * waits for a line, sends, and prints when each message was committed. Both processes
 * read the same monotonic clock, which is what Java's is on Linux.
 */
public final class RemoteSender implements AutoCloseable {

	/**
	 * First argument of the second process.
	 */
	public static final String COMMAND = "remote-sender";

	private static final String READY = "ready";

	private final Process process;

	private final BufferedReader output;

	private final int messages;

	private RemoteSender(Process process, int messages) {
		this.process = process;
		this.output = process.inputReader(StandardCharsets.UTF_8);
		this.messages = messages;
	}

	static RemoteSender start(QueueSystem system, BenchmarkDatabase database, int first, int messages)
			throws IOException {
		List<String> command = new ArrayList<>();
		command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
		String classPath = System.getProperty("java.class.path");
		if (classPath.endsWith(".jar") && !classPath.contains(File.pathSeparator)) {
			command.addAll(List.of("-jar", classPath));
		}
		else {
			command.addAll(List.of("-cp", classPath, "io.pgqueue.samples.benchmark.Benchmark"));
		}
		command.addAll(
				List.of(COMMAND, system.name(), database.url(), Integer.toString(first), Integer.toString(messages)));
		Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
		RemoteSender sender = new RemoteSender(process, messages);
		if (!READY.equals(sender.output.readLine())) {
			sender.close();
			throw new IllegalStateException("The second process did not start");
		}
		return sender;
	}

	/**
	 * Has the other process send.
	 * @return when each message was committed
	 */
	long[] send() throws IOException {
		try (PrintStream input = new PrintStream(this.process.getOutputStream(), true, StandardCharsets.UTF_8)) {
			input.println();
		}
		long[] committedAt = new long[this.messages];
		for (int i = 0; i < this.messages; i++) {
			String line = this.output.readLine();
			if (line == null) {
				throw new IllegalStateException("The second process has ended early");
			}
			committedAt[i] = Long.parseLong(line);
		}
		return committedAt;
	}

	/**
	 * Is the second process.
	 * @param args what {@link #start} has put there
	 * @throws Exception if something fails
	 */
	public static void run(String... args) throws Exception {
		PrintStream output = System.out;
		try (QueueSystem system = Systems.create(args[1])) {
			system.open(args[2], Mode.REMOTE);
			output.println(READY);
			new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).readLine();
			for (long time : Latency.send(system, Integer.parseInt(args[3]), Integer.parseInt(args[4]))) {
				output.println(time);
			}
		}
	}

	@Override
	public void close() {
		this.process.destroy();
		try {
			this.process.waitFor();
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
	}

}
