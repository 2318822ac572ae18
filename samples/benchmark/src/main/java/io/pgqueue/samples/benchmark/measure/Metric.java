package io.pgqueue.samples.benchmark.measure;

/**
 * A figure of one run.
 */
public enum Metric {

	/**
	 * Messages per second.
	 */
	RATE("msg/s", 0),

	/**
	 * Median latency.
	 */
	P50("p50 ms", 3),

	/**
	 * 95th percentile of the latency.
	 */
	P95("p95 ms", 3),

	/**
	 * 99th percentile of the latency.
	 */
	P99("p99 ms", 3),

	/**
	 * Median round trip of a claim that found something.
	 */
	CLAIM_P50("claim p50", 3),

	/**
	 * 99th percentile of these round trips.
	 */
	CLAIM_P99("claim p99", 3),

	/**
	 * CPU time of all processes of the server.
	 */
	SERVER_CPU("server us/msg", 1),

	/**
	 * CPU time of this JVM.
	 */
	CLIENT_CPU("client us/msg", 1),

	/**
	 * CPU time of everything else on the machine.
	 */
	OTHERS("others %", 0),

	/**
	 * Bytes of write-ahead log.
	 */
	WAL("WAL B/msg", 0),

	/**
	 * Statements as pg_stat_statements counts them, BEGIN and COMMIT included.
	 */
	STATEMENTS("stmt/msg", 3),

	/**
	 * Rows not vacuumed away at the end.
	 */
	DEAD_ROWS("dead rows", 0),

	/**
	 * Heap in use after a collection at the end, of all systems together.
	 */
	HEAP("heap MB", 0),

	/**
	 * Speed under the workload's condition compared with the speed without it, in the
	 * same run.
	 */
	RATIO("ratio", 2),

	/**
	 * Statements per minute.
	 */
	STATEMENTS_PER_MINUTE("stmt/min", 0),

	/**
	 * Transaction ids assigned per minute.
	 */
	XIDS_PER_MINUTE("xids/min", 0),

	/**
	 * Messages in the run.
	 */
	MESSAGES("messages", 0);

	private final String label;

	private final int decimals;

	Metric(String label, int decimals) {
		this.label = label;
		this.decimals = decimals;
	}

	/**
	 * Returns the column header.
	 * @return name and unit
	 */
	public String label() {
		return this.label;
	}

	/**
	 * Writes a value.
	 * @param value the value
	 * @return the value with as many digits as make sense
	 */
	public String format(double value) {
		return String.format("%,." + this.decimals + "f", value);
	}

}
