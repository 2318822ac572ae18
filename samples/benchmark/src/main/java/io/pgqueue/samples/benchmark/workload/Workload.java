package io.pgqueue.samples.benchmark.workload;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.system.Mode;
import io.pgqueue.samples.benchmark.system.Systems;

/**
 * What a system is put through.
 */
public interface Workload {

	/**
	 * Returns the name for options and tables.
	 * @return a short name
	 */
	String name();

	/**
	 * Returns what happens.
	 * @return one line
	 */
	String title();

	/**
	 * Returns what the system must be able to do.
	 * @return the mode to open it in
	 */
	Mode mode();

	/**
	 * Tells whether a system is compared here; otherwise it does not appear.
	 * @param system its name
	 * @return by default, everybody but the variant that makes no difference
	 */
	default boolean compares(String system) {
		return !system.equals(Systems.POLLING);
	}

	/**
	 * Runs once.
	 * @param cell an open system on an empty database, and how to measure it
	 * @return what was measured
	 * @throws Exception if something fails
	 */
	Figures run(Cell cell) throws Exception;

}
