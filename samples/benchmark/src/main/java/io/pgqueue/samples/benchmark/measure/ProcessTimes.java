package io.pgqueue.samples.benchmark.measure;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * CPU time of processes, from {@code /proc}.
 */
final class ProcessTimes {

	/**
	 * The kernel counts in hundredths of a second, whatever its own clock does.
	 */
	private static final double TICKS_PER_SECOND = 100;

	private static final int UTIME = 11;

	private static final int STIME = 12;

	private static final int CUTIME = 13;

	private static final int CSTIME = 14;

	private static final int IDLE = 4;

	private static final int STEAL = 8;

	private ProcessTimes() {
	}

	/**
	 * Returns the CPU time of one process, in seconds.
	 */
	static double own(long pid) {
		return seconds(stat(pid), UTIME, STIME);
	}

	/**
	 * Returns the CPU time of a process and of all its children, in seconds: of those
	 * that live and, as the kernel adds it up in the parent, of those that have ended.
	 */
	static double family(long pid) {
		double ended = ended(pid);
		while (true) {
			double living = own(pid) + ProcessHandle.of(pid)
				.stream()
				.flatMap(ProcessHandle::children)
				.mapToDouble((child) -> own(child.pid()))
				.sum();
			double endedAfterwards = ended(pid);
			// Otherwise one has moved from here to there in between.
			if (endedAfterwards == ended) {
				return living + ended;
			}
			ended = endedAfterwards;
		}
	}

	private static double ended(long pid) {
		return seconds(stat(pid), CUTIME, CSTIME);
	}

	/**
	 * Returns the CPU time of the whole machine, busy and in total, in seconds.
	 */
	static double[] machine() {
		try (Stream<String> lines = Files.lines(Path.of("/proc/stat"))) {
			String[] fields = lines.findFirst().orElseThrow().split(" +");
			double total = 0;
			for (int i = 1; i <= STEAL; i++) {
				total += Long.parseLong(fields[i]) / TICKS_PER_SECOND;
			}
			double idle = (Long.parseLong(fields[IDLE]) + Long.parseLong(fields[IDLE + 1])) / TICKS_PER_SECOND;
			return new double[] { total - idle, total };
		}
		catch (IOException ex) {
			return new double[2];
		}
	}

	private static double seconds(String[] fields, int first, int second) {
		return (Long.parseLong(fields[first]) + Long.parseLong(fields[second])) / TICKS_PER_SECOND;
	}

	/**
	 * Returns the fields after the name, which may contain anything; zeros if the process
	 * has just ended.
	 */
	private static String[] stat(long pid) {
		try {
			String line = Files.readString(Path.of("/proc/" + pid + "/stat"));
			return line.substring(line.lastIndexOf(')') + 2).split(" ");
		}
		catch (IOException ex) {
			return "0 ".repeat(CSTIME + 1).split(" ");
		}
	}

}
