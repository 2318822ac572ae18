package io.pgqueue.samples.benchmark.system;

import java.util.List;
import java.util.function.Supplier;

/**
 * All systems, in the order of the table.
 */
public final class Systems {

	/**
	 * Name of this library.
	 */
	public static final String OURS = "pgqueue";

	/**
	 * Name of this library without notifications between processes.
	 */
	public static final String POLLING = "pgqueue-poll";

	private static final List<Supplier<QueueSystem>> ALL = List.of(JdbcFloor::new, BareEngine::new,
			() -> new PgQueueSystem(true), () -> new PgQueueSystem(false), PgmqStyle::new, DbSchedulerSystem::new,
			JobRunrSystem::new);

	private Systems() {
	}

	/**
	 * Creates one of each.
	 * @return the systems, not open
	 */
	public static List<QueueSystem> create() {
		return ALL.stream().map(Supplier::get).toList();
	}

	/**
	 * Creates one.
	 * @param name its name
	 * @return the system, not open
	 */
	public static QueueSystem create(String name) {
		return create().stream()
			.filter((system) -> system.name().equals(name))
			.findFirst()
			.orElseThrow(() -> new IllegalArgumentException("No system is called '" + name + "'; there are: "
					+ String.join(", ", create().stream().map(QueueSystem::name).toList())));
	}

}
