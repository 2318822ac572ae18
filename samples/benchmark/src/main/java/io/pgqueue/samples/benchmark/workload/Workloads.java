package io.pgqueue.samples.benchmark.workload;

import java.util.List;

import io.pgqueue.samples.benchmark.system.Mode;

/**
 * All workloads, in the order of the table.
 */
public final class Workloads {

	private static final List<Workload> ALL = List.of(new SendOne(), new SendBatch(1), new SendBatch(8), new Senders(),
			new Drain("drain-single", "a backlog is handled message by message", Mode.SINGLE, 1),
			new Drain("drain-batch", "a backlog is handled by a handler that takes lists", Mode.BATCH, 1), new Steady(),
			new Drain("transactional", "a backlog is handled by transactions with one insert each", Mode.TRANSACTIONAL,
					0.5),
			new Latency(false), new Latency(true), new Held("held-single", Mode.SINGLE),
			new Held("held-batch", Mode.BATCH), new Trickle(), new Backlog(), new Noise(), new Idle());

	private Workloads() {
	}

	/**
	 * Returns all workloads.
	 * @return the workloads
	 */
	public static List<Workload> all() {
		return ALL;
	}

}
