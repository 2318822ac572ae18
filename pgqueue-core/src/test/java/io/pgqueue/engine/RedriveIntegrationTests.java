package io.pgqueue.engine;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

import io.pgqueue.QueueHeaders;
import io.pgqueue.engine.DeadLetters.Death;
import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.dao.CannotAcquireLockException;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Dead letters that are put back or deleted: each of them once, whoever tries, and none
 * is lost.
 */
@PgQueueDatabase
class RedriveIntegrationTests {

	private static final String REASON = "\"no\",\n\\ \u2028";

	private final TestDatabase database;

	RedriveIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void aRedrivenMessageIsDeliveredAtOnceAsTheFirstAttemptAndIsOtherwiseTheSame() {
		Letters letters = letters();
		TestEngine engine = letters.engine;
		assertThat(engine.claimFromMark(10, TestEngine.BYTES).messages()).as("an idle poll").isEmpty();
		long id = engine.log.send(engine.queue.name(), List.of("{\"a\":  1}"), List.of("{\"h\":\"1\"}"))[0];
		ClaimedMessage before = engine.claimFromMark(10, TestEngine.BYTES).messages().get(0);
		Death death = letters.bury(id);
		assertThat(letters.redrive(death)).isOne();
		Claim claim = engine.claimFromMark(10, TestEngine.BYTES);
		assertThat(claim.messages()).singleElement().satisfies((message) -> {
			assertThat(message.id()).isEqualTo(id);
			assertThat(message.attempt()).isOne();
			assertThat(message.payload()).isEqualTo("{\"a\":  1}");
			assertThat(message.enqueuedAt()).isEqualTo(before.enqueuedAt());
			assertThat(message.headers()).contains("\"h\":\"1\"");
		});
		assertThat(letters.deaths()).isEmpty();
		assertThat(engine.jdbc()
			.sql("SELECT size = octet_length(payload::text) + octet_length(headers::text) FROM pgqueue.retry WHERE id = ?")
			.param(id)
			.query(Boolean.class)
			.single()).as("claims count the bytes of the new headers").isTrue();
	}

	@ParameterizedTest
	@MethodSource("headers")
	void theHeadersSayWhyItDiedAndWhatTheSenderWroteStaysAsItWas(@Nullable String sent, String rest) {
		Letters letters = letters();
		TestEngine engine = letters.engine;
		long id = engine.log.send(engine.queue.name(), List.of("1"), Collections.singletonList(sent))[0];
		engine.claim(1);
		for (int redrives = 1; redrives <= 3; redrives++) {
			Death death = letters.bury(id);
			letters.redrive(death);
			String headers = engine.claim(1).messages().get(0).headers();
			assertThat(headers.substring(headers.indexOf('\n') + 1)).isEqualTo(rest);
			Map<?, ?> read = JsonMapper.shared().readValue(headers, Map.class);
			assertThat(read.get(QueueHeaders.REDRIVES)).isEqualTo(redrives);
			assertThat(Instant.parse((String) read.get(QueueHeaders.DEAD_AT))).isEqualTo(death.deadAt());
			assertThat(read.get(QueueHeaders.DEAD_REASON)).isEqualTo(REASON);
			assertThat(read.get(QueueHeaders.DEAD_ERROR_CLASS)).isEqualTo("a.B");
			assertThat(read.keySet()).hasSize(4 + JsonMapper.shared().readValue("{" + rest, Map.class).size());
		}
	}

	static Stream<Arguments> headers() {
		return Stream.of(Arguments.of(null, "}"), Arguments.of("{}", "}"), Arguments.of("{ }", " }"),
				Arguments.of("{\"a\":1}", "\"a\":1}"), Arguments.of("\n {\n\"a\" : \"}{\"\n}", "\n\"a\" : \"}{\"\n}"),
				Arguments.of("{\"a\":\"\\u0000\",\"b\":\"\\ud800\"}", "\"a\":\"\\u0000\",\"b\":\"\\ud800\"}"));
	}

	@ParameterizedTest
	@MethodSource("notObjects")
	void headersThatAreNoObjectStayAsTheyAre(String sent) {
		Letters letters = letters();
		TestEngine engine = letters.engine;
		long id = engine.log.send(engine.queue.name(), List.of("1"), List.of(sent))[0];
		engine.claim(1);
		for (int redrives = 1; redrives <= 2; redrives++) {
			letters.redrive(letters.bury(id));
			assertThat(engine.claim(1).messages().get(0).headers()).isEqualTo(sent);
		}
	}

	static Stream<String> notObjects() {
		return Stream.of("[1]", "\"{\\n\"", "null", "1");
	}

	@Test
	void theDelayCountsFromNow() {
		Letters letters = letters();
		List<Death> deaths = letters.bury(2);
		letters.dead.redrive(letters.subscription(), deaths, new long[] { 0, 3_600_000 });
		assertThat(letters.engine.drain()).containsExactly(deaths.get(0).id());
		assertThat(letters.engine.jdbc()
			.sql("SELECT due_at - clock_timestamp() BETWEEN interval '59 min' AND interval '1 h' FROM pgqueue.retry WHERE id = ?")
			.param(deaths.get(1).id())
			.query(Boolean.class)
			.single()).isTrue();
	}

	@Test
	void aMessageThatDiedAgainIsAnotherDeath() {
		Letters letters = letters();
		Death first = letters.bury(1).get(0);
		assertThat(letters.redrive(first)).isOne();
		assertThat(letters.redrive(first)).isZero();
		letters.engine.claim(1);
		Death second = letters.bury(first.id());
		assertThat(letters.redrive(first)).isZero();
		assertThat(letters.dead.discard(letters.subscription(), List.of(first))).isZero();
		assertThat(letters.deaths()).containsExactly(second);
		assertThat(letters.redrive(second)).isOne();
	}

	@Test
	void fiftyRedrivesAtATimeRedriveEachOnce() throws Exception {
		Letters letters = letters();
		List<Death> deaths = letters.bury(200);
		List<Callable<Integer>> calls = Collections.nCopies(50, null).stream().<Callable<Integer>>map((nothing) -> {
			List<Death> shuffled = shuffled(deaths);
			return () -> letters.dead.redrive(letters.subscription(), shuffled, new long[shuffled.size()]);
		}).toList();
		assertThat(atATime(calls)).isEqualTo(200);
		assertThat(letters.deaths()).isEmpty();
		assertThat(letters.engine.drain(500)).hasSize(200).doesNotHaveDuplicates();
	}

	@Test
	void redrivesAndDiscardsAtATimeShareTheDeadLettersBetweenThem() throws Exception {
		Letters letters = letters();
		List<Death> deaths = letters.bury(400);
		List<Callable<Integer>> calls = new ArrayList<>();
		for (int i = 0; i < 25; i++) {
			List<Death> some = shuffled(deaths).subList(0, 40);
			calls.add(() -> letters.dead.redrive(letters.subscription(), some, new long[40]));
			calls.add(() -> 1_000 * letters.dead.discard(letters.subscription(), shuffled(some)));
		}
		int result = atATime(calls);
		assertThat(letters.engine.drain(500)).hasSize(result % 1_000).doesNotHaveDuplicates();
		assertThat(letters.deaths()).hasSize(400 - result % 1_000 - result / 1_000);
	}

	@Test
	void deadLettersAreLockedInTheOrderOfTheirIdentitiesSoThatNobodyWaitsInACircle() {
		for (String call : List.of("discard(?, ARRAY[?, ?], ARRAY[?, ?]::timestamptz[])",
				"redrive(?, ARRAY[?, ?], ARRAY[?, ?]::timestamptz[], ARRAY[0, 0])")) {
			Letters letters = letters();
			List<Death> deaths = letters.bury(2);
			Death low = deaths.get(0);
			Death high = deaths.get(1);
			String lock = "SELECT 1 FROM pgqueue.dead_letter WHERE id = ? FOR UPDATE NOWAIT";
			try (Session holder = Session.begin(this.database);
					Session waiter = new Session(this.database.directDataSource())) {
				holder.jdbc().sql(lock).param(low.id()).query().singleRow();
				CompletableFuture<Integer> moved = waiter.blocked(this.database,
						() -> waiter.jdbc()
							.sql("SELECT pgqueue." + call)
							.params(letters.subscription(), high.id(), low.id(), high.deadAt().toString(),
									low.deadAt().toString())
							.query(Integer.class)
							.single());
				assertThat(this.database.jdbc().sql(lock).param(high.id()).query().listOfRows()).hasSize(1);
				holder.rollback();
				assertThat(moved.join()).isEqualTo(2);
			}
		}
	}

	@Test
	void aTransactionThatIsCutOffLeavesTheMessageDead() {
		Letters letters = letters();
		Death death = letters.bury(1).get(0);
		try (Session session = Session.begin(this.database)) {
			assertThat(session.jdbc()
				.sql("SELECT pgqueue.redrive(?, ARRAY[?::bigint], ARRAY[?::timestamptz], ARRAY[0])")
				.params(letters.subscription(), death.id(), death.deadAt().toString())
				.query(Integer.class)
				.single()).isOne();
			this.database.jdbc().sql("SELECT pg_terminate_backend(?, 10000)").param(session.pid()).query().singleRow();
		}
		assertThat(letters.deaths()).containsExactly(death);
		assertThat(letters.engine.retried()).isEmpty();
		assertThat(letters.redrive(death)).isOne();
	}

	@Test
	void aRedriveThatWouldLoseAMessageRaises() {
		Letters letters = new Letters(TestEngine.changed(this.database, "redrive",
				TestEngine.replacing("FROM removed r\n", "FROM (SELECT * FROM removed LIMIT 1) r\n")));
		List<Death> deaths = letters.bury(3);
		assertThatExceptionOfType(RuntimeException.class)
			.isThrownBy(() -> letters.dead.redrive(letters.subscription(), deaths, new long[3]))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ04"));
		assertThat(letters.deaths()).hasSize(3);
		assertThat(letters.engine.retried()).isEmpty();
	}

	@Test
	void nobodyWaitsForALockForEver() {
		Letters letters = new Letters(
				TestEngine.changed(this.database, "redrive", TestEngine.replacing("10s", "50ms")));
		TestEngine.replace(this.database, letters.engine.schema, "discard", TestEngine.replacing("10s", "50ms"));
		Death death = letters.bury(1).get(0);
		try (Session session = Session.begin(this.database)) {
			session.execute(letters.engine.sql("SELECT 1 FROM $.dead_letter FOR UPDATE"));
			assertThatExceptionOfType(CannotAcquireLockException.class).isThrownBy(() -> letters.redrive(death));
			assertThatExceptionOfType(CannotAcquireLockException.class)
				.isThrownBy(() -> letters.dead.discard(letters.subscription(), List.of(death)));
		}
		assertThat(letters.redrive(death)).isOne();
	}

	@Test
	void aBatchIsCutByItsBytesButHoldsAtLeastOne() {
		Letters letters = letters();
		List<Death> deaths = letters.bury(4);
		letters.engine.jdbc()
			.sql("UPDATE pgqueue.dead_letter SET size = CASE WHEN id = ? THEN 60000000 ELSE 5000000 END WHERE subscription_id = ?")
			.params(deaths.get(2).id(), letters.subscription())
			.update();
		Death start = new Death(Instant.MIN, 0);
		assertThat(letters.batch(start)).isEqualTo(deaths.subList(0, 2));
		assertThat(letters.batch(deaths.get(1))).isEqualTo(deaths.subList(2, 3));
		assertThat(letters.batch(deaths.get(2))).isEqualTo(deaths.subList(3, 4));
		assertThat(letters.batch(deaths.get(3))).isEmpty();
	}

	@Test
	void anExpiryThatFindsNothingAssignsNoTransactionId() {
		Letters letters = letters();
		letters.bury(3);
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT * FROM pgqueue.expire_dead_letters(0, '-infinity', 3600000, 500)");
			assertThat(
					session.jdbc().sql("SELECT pg_current_xact_id_if_assigned() IS NULL").query(Boolean.class).single())
				.isTrue();
		}
		assertThat(letters.deaths()).hasSize(3);
	}

	private Letters letters() {
		return new Letters(TestEngine.of(this.database));
	}

	private static List<Death> shuffled(List<Death> deaths) {
		List<Death> shuffled = new ArrayList<>(deaths);
		Collections.shuffle(shuffled, new Random());
		return shuffled;
	}

	/**
	 * Makes all calls at the same time and returns the sum of what they return.
	 */
	private static int atATime(List<Callable<Integer>> calls) throws Exception {
		ExecutorService executor = Executors.newFixedThreadPool(calls.size());
		try {
			CountDownLatch start = new CountDownLatch(calls.size());
			List<Future<Integer>> results = calls.stream().map((call) -> executor.submit(() -> {
				start.countDown();
				start.await();
				return call.call();
			})).toList();
			int sum = 0;
			for (Future<Integer> result : results) {
				sum += result.get();
			}
			return sum;
		}
		finally {
			executor.shutdownNow();
		}
	}

	/**
	 * The dead letters of an engine of its own.
	 */
	private static final class Letters {

		private final TestEngine engine;

		private final DeadLetters dead;

		Letters(TestEngine engine) {
			this.engine = engine;
			this.dead = new DeadLetters(engine.database);
		}

		int subscription() {
			return this.engine.queue.subscriptionId();
		}

		/**
		 * Sends messages and buries them; returns them oldest first.
		 */
		List<Death> bury(int count) {
			long[] ids = this.engine.send(count);
			this.engine.claim(count);
			bury(ids);
			return deaths();
		}

		/**
		 * Buries a message that the last claim has returned.
		 */
		Death bury(long id) {
			bury(new long[] { id });
			return deaths().stream().filter((death) -> death.id() == id).findFirst().orElseThrow();
		}

		private void bury(long[] ids) {
			List<Failure> failures = Arrays.stream(ids)
				.mapToObj((id) -> new Failure(new Held(this.engine.lastLease(), id), 0, true, REASON, "a.B", "why",
						"at a.B"))
				.toList();
			assertThat(this.engine.leases.bury(this.engine.worker, failures)).isEmpty();
		}

		int redrive(Death death) {
			return this.dead.redrive(subscription(), List.of(death), new long[1]);
		}

		List<Death> deaths() {
			return this.engine.deadLetters(10_000)
				.stream()
				.map(DeadLetters.Row::death)
				.sorted(Comparator.comparing(Death::deadAt).thenComparing(Death::id))
				.toList();
		}

		List<Death> batch(Death after) {
			return this.dead.batch(subscription(), null, after, Instant.MAX, 500);
		}

	}

}
