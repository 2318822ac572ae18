package io.pgqueue.samples.benchmark.system;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;

import com.zaxxer.hikari.HikariDataSource;
import io.pgqueue.samples.benchmark.server.BenchmarkDatabase;
import org.jobrunr.jobs.lambdas.JobRequest;
import org.jobrunr.jobs.lambdas.JobRequestHandler;
import org.jobrunr.jobs.mappers.JobMapper;
import org.jobrunr.scheduling.JobRequestScheduler;
import org.jobrunr.server.BackgroundJobServer;
import org.jobrunr.server.BackgroundJobServerConfiguration;
import org.jobrunr.server.JobActivator;
import org.jobrunr.storage.sql.postgres.PostgresStorageProvider;
import org.jobrunr.utils.mapper.jackson3.Jackson3JsonMapper;
import org.jspecify.annotations.Nullable;

/**
 * JobRunr: enqueued job requests.
 */
final class JobRunrSystem implements QueueSystem {

	private final Jackson3JsonMapper mapper = new Jackson3JsonMapper();

	private Mode mode = Mode.SEND;

	private @Nullable HikariDataSource pool;

	private @Nullable PostgresStorageProvider storage;

	private @Nullable JobRequestScheduler scheduler;

	@Override
	public String name() {
		return "jobrunr";
	}

	@Override
	public String tuning() {
		return JarName.of(BackgroundJobServer.class) + ": " + Mode.HANDLERS
				+ " workers, 20 connections, Jackson 3, poll interval 5 s, the shortest that it allows with SQL";
	}

	@Override
	public double share() {
		return 0.02;
	}

	@Override
	public @Nullable String unsupported(Mode mode) {
		return (mode == Mode.BATCH) ? "has no batch handlers" : null;
	}

	@Override
	public void open(String url, Mode mode) {
		this.mode = mode;
		this.pool = BenchmarkDatabase.pool(url, 20);
		this.storage = new PostgresStorageProvider(this.pool);
		this.storage.setJobMapper(new JobMapper(this.mapper));
		this.scheduler = new JobRequestScheduler(this.storage);
	}

	private JobRequestScheduler scheduler() {
		if (this.scheduler == null) {
			throw new IllegalStateException("Not open");
		}
		return this.scheduler;
	}

	@Override
	public void send(BenchmarkMessage message) {
		scheduler().enqueue(new MessageJob(message));
	}

	@Override
	public void sendAll(List<BenchmarkMessage> messages) {
		scheduler().enqueue(messages.stream().map(MessageJob::new));
	}

	@Override
	public Consumption consume(Handler handler) {
		MessageJobHandler jobHandler = new MessageJobHandler((message) -> execute(handler, message));
		JobActivator activator = new JobActivator() {

			@Override
			public <T> T activateJob(Class<T> type) {
				return type.cast(jobHandler);
			}

		};
		BackgroundJobServer server = new BackgroundJobServer(this.storage, this.mapper, activator,
				BackgroundJobServerConfiguration.usingStandardBackgroundJobServerConfiguration()
					.andWorkerCount(Mode.HANDLERS)
					.andPollInterval(Duration.ofSeconds(5)));
		server.start();
		return server::stop;
	}

	private void execute(Handler handler, BenchmarkMessage message) throws SQLException {
		if (this.mode != Mode.TRANSACTIONAL || this.pool == null) {
			handler.one(message);
			return;
		}
		try (Connection connection = this.pool.getConnection();
				PreparedStatement effect = connection.prepareStatement(BenchmarkDatabase.INSERT_EFFECT)) {
			effect.setLong(1, message.id());
			effect.setString(2, message.customer());
			effect.executeUpdate();
			handler.one(message);
		}
	}

	@Override
	public void close() {
		if (this.storage != null) {
			this.storage.close();
		}
		if (this.pool != null) {
			this.pool.close();
		}
	}

	/**
	 * A message as JobRunr wants it.
	 *
	 * @param message the message
	 */
	public record MessageJob(BenchmarkMessage message) implements JobRequest {

		@Override
		public Class<MessageJobHandler> getJobRequestHandler() {
			return MessageJobHandler.class;
		}

	}

	/**
	 * Passes messages on.
	 */
	public static final class MessageJobHandler implements JobRequestHandler<MessageJob> {

		private final Body body;

		MessageJobHandler(Body body) {
			this.body = body;
		}

		@Override
		public void run(MessageJob job) throws SQLException {
			this.body.run(job.message());
		}

	}

	/**
	 * What a job does.
	 */
	@FunctionalInterface
	interface Body {

		void run(BenchmarkMessage message) throws SQLException;

	}

}
