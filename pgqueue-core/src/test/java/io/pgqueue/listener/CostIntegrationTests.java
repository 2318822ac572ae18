package io.pgqueue.listener;

import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;

import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a message costs in statements and WAL: figures that do not depend on how busy the
 * machine is.
 */
@PgQueueDatabase
class CostIntegrationTests {

	private static final int BACKLOG = 20_000;

	private static final double MOST_WAL_PER_MESSAGE = 60;

	private static final Duration LONG_POLL = Duration.ofSeconds(30);

	private final TestDatabase database;

	private final ObservedDataSource observed;

	CostIntegrationTests(TestDatabase database) {
		this.database = database;
		this.observed = new ObservedDataSource(database.dataSource());
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@ParameterizedTest
	@ValueSource(booleans = { false, true })
	void aBacklogCostsLittleWalAndFewStatements(boolean batch) {
		try (TestApplication application = TestApplication.builder(this.database).pooled(this.observed).build()) {
			String queue = application.declareQueue();
			application.queues().sendAll(queue, IntStream.range(0, BACKLOG).boxed().toList());
			long statements = this.observed.count("");
			long wal = wal();

			if (batch) {
				application.handleBatches(ContainerOptions.builder(queue, queue).build(), (payloads) -> {
				});
			}
			else {
				application.handle(ContainerOptions.builder(queue, queue).build(), (payload) -> {
				});
			}
			application.start();
			Await.until("all are acknowledged", () -> application.events().completed(queue) == BACKLOG);

			assertThat((double) (wal() - wal) / BACKLOG).isLessThan(MOST_WAL_PER_MESSAGE);
			assertThat(this.observed.count("") - statements).isLessThan(BACKLOG / 20);
		}
	}

	@Test
	void aLoneMessageCostsThreeStatementsEndToEnd() {
		try (TestApplication application = TestApplication.builder(this.database).pooled(this.observed).build()) {
			String queue = application.declareQueue();
			application.handle(ContainerOptions.builder(queue, queue).pollInterval(LONG_POLL).build(), (payload) -> {
			}).start();
			Await.until("the container waits", () -> this.observed.count("claim(") == 1);
			for (int message = 1; message <= 5; message++) {
				long acknowledged = message;
				long before = this.observed.count("");
				application.queues().send(queue, "lone");
				Await.until("it is acknowledged", () -> application.events().completed(queue) == acknowledged);
				assertThat(this.observed.count("") - before).isEqualTo(3);
			}
			assertThat(List.of(this.observed.count("send_batch("), this.observed.count("settle_alone("),
					this.observed.count("claim(")))
				.containsExactly(5L, 5L, 6L);
		}
	}

	private long wal() {
		return this.database.jdbc()
			.sql("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
			.query(Long.class)
			.single();
	}

}
