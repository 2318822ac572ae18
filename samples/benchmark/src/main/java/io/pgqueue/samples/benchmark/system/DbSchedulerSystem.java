package io.pgqueue.samples.benchmark.system;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

import com.github.kagkarlsson.scheduler.Scheduler;
import com.github.kagkarlsson.scheduler.SchedulerClient;
import com.github.kagkarlsson.scheduler.serializer.Serializer;
import com.github.kagkarlsson.scheduler.task.Task;
import com.github.kagkarlsson.scheduler.task.TaskInstance;
import com.github.kagkarlsson.scheduler.task.helper.OneTimeTask;
import com.github.kagkarlsson.scheduler.task.helper.Tasks;
import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/**
 * db-scheduler: one-time tasks, due now.
 */
final class DbSchedulerSystem implements QueueSystem {

	// As in its documentation; the index for priorities is left out because it is not
	// used.
	private static final String TABLE = """
			CREATE TABLE IF NOT EXISTS scheduled_tasks (
				task_name text NOT NULL,
				task_instance text NOT NULL,
				task_data bytea,
				execution_time timestamptz NOT NULL,
				picked boolean NOT NULL,
				picked_by text,
				last_success timestamptz,
				last_failure timestamptz,
				consecutive_failures integer,
				last_heartbeat timestamptz,
				version bigint NOT NULL,
				priority smallint,
				PRIMARY KEY (task_name, task_instance)
			);
			CREATE INDEX IF NOT EXISTS execution_time_idx ON scheduled_tasks (execution_time);
			CREATE INDEX IF NOT EXISTS last_heartbeat_idx ON scheduled_tasks (last_heartbeat)""";

	private final OneTimeTask<BenchmarkMessage> task = Tasks.oneTime("message", BenchmarkMessage.class)
		.execute((instance, context) -> execute(instance.getData()));

	private Mode mode = Mode.SEND;

	private @Nullable HikariDataSource pool;

	private volatile @Nullable SchedulerClient client;

	private volatile @Nullable Handler handler;

	@Override
	public String name() {
		return "db-scheduler";
	}

	@Override
	public String tuning() {
		return JarName.of(Scheduler.class) + ": " + Mode.HANDLERS
				+ " threads, 20 connections, pollUsingLockAndFetch(1, 8), immediate execution, polling interval 100 ms";
	}

	@Override
	public double share() {
		return 0.1;
	}

	@Override
	public @Nullable String unsupported(Mode mode) {
		return (mode == Mode.BATCH) ? "has no batch handlers" : null;
	}

	@Override
	public void open(String url, Mode mode) throws SQLException {
		this.mode = mode;
		this.pool = BenchmarkDatabase.pool(url, 20);
		try (Connection connection = this.pool.getConnection(); Statement statement = connection.createStatement()) {
			statement.execute(TABLE);
		}
		this.client = SchedulerClient.Builder.create(this.pool, this.task).serializer(new Json()).build();
	}

	private SchedulerClient client() {
		SchedulerClient current = this.client;
		if (current == null) {
			throw new IllegalStateException("Not open");
		}
		return current;
	}

	@Override
	public void send(BenchmarkMessage message) {
		client().schedule(instance(message), Instant.now());
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) {
		List<TaskInstance<?>> instances = new ArrayList<>(messages.size());
		messages.forEach((message) -> instances.add(instance(message)));
		client().scheduleBatch(instances, Instant.now());
	}

	private TaskInstance<BenchmarkMessage> instance(BenchmarkMessage message) {
		return this.task.instance(Long.toString(message.id()), message);
	}

	@Override
	public Consumption consume(Handler handler) {
		SchedulerClient before = client();
		this.handler = handler;
		Scheduler scheduler = Scheduler.create(this.pool, tasks())
			.serializer(new Json())
			.threads(Mode.HANDLERS)
			.pollUsingLockAndFetch(Double.parseDouble(System.getProperty("dl", "1")),
					Double.parseDouble(System.getProperty("du", "4")))
			.pollingInterval(Duration.ofMillis(100))
			.enableImmediateExecution()
			.build();
		scheduler.start();
		// Sends through the scheduler wake it.
		this.client = scheduler;
		return () -> {
			this.client = before;
			scheduler.stop();
		};
	}

	private List<Task<?>> tasks() {
		List<Task<?>> tasks = new ArrayList<>(List.of(this.task));
		for (int i = 1; this.mode == Mode.IDLE && i < Mode.IDLE_QUEUES; i++) {
			tasks.add(Tasks.oneTime("idle-" + i).execute((instance, context) -> {
			}));
		}
		return tasks;
	}

	private void execute(BenchmarkMessage message) {
		Handler current = this.handler;
		if (current == null || this.pool == null) {
			throw new IllegalStateException("Not open");
		}
		if (this.mode != Mode.TRANSACTIONAL) {
			current.one(message);
			return;
		}
		try (Connection connection = this.pool.getConnection();
				PreparedStatement effect = connection.prepareStatement(BenchmarkDatabase.INSERT_EFFECT)) {
			effect.setLong(1, message.id());
			effect.setString(2, message.customer());
			effect.executeUpdate();
			current.one(message);
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
	}

	@Override
	public void close() {
		if (this.pool != null) {
			this.pool.close();
		}
	}

	/**
	 * Its own serializer for JSON needs Jackson 2.
	 */
	private static final class Json implements Serializer {

		private final JsonMapper mapper = JsonMapper.shared();

		@Override
		public byte[] serialize(Object data) {
			return this.mapper.writeValueAsBytes(data);
		}

		@Override
		public <T> T deserialize(Class<T> type, byte[] data) {
			return this.mapper.readValue(data, type);
		}

	}

}
