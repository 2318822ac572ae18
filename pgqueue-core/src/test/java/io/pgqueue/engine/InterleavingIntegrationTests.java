package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import io.pgqueue.engine.Cancellations.Outcome;
import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Random interleavings, the same at every run, of transactions that send and claims of
 * all sizes: whatever is committed comes at once, exactly once. The same interleavings
 * find each of a number of plausible mistakes.
 */
@PgQueueDatabase
class InterleavingIntegrationTests {

	private static final int SEEDS = 12;

	private static final int STEPS = 150;

	private static final String HORIZON = "AND m.xid < pg_snapshot_xmax(v_cursor.horizon) "
			+ "AND pg_visible_in_snapshot(m.xid, v_cursor.horizon)";

	private final TestDatabase database;

	InterleavingIntegrationTests(TestDatabase database) {
		this.database = database;
	}

	@Test
	void whatIsCommittedIsClaimedAtOnceAndOnce() {
		TestEngine engine = TestEngine.of(this.database);
		for (int seed = 0; seed < SEEDS; seed++) {
			new Run(engine, seed).run();
		}
	}

	/**
	 * As if every look were expensive, and the last one long ago.
	 */
	@Test
	void whatIsCommittedIsClaimedAtOnceAndOnceAlthoughEveryIdlePollMovesTheCursor() {
		TestEngine engine = TestEngine.changed(this.database, "claim",
				TestEngine.replacing("> interval '5 ms'", "IS NOT NULL")
					.andThen(TestEngine.replacing("> interval '5 s'", "IS NOT NULL"))::apply);
		for (int seed = 0; seed < SEEDS; seed++) {
			new Run(engine, seed).run();
		}
	}

	@Test
	void findsThatAMovedCursorForgetsWhoIsRunning() {
		TestEngine engine = TestEngine.changed(this.database, "claim",
				TestEngine.replacing("> interval '5 ms'", "IS NOT NULL")
					.andThen(TestEngine.replacing("> interval '5 s'", "IS NOT NULL"))::apply);
		TestEngine.replace(this.database, engine.schema, "full_snapshot",
				TestEngine.replacing("UNION SELECT generate_series(v_xmax, v_self)", ""));
		assertThatExceptionOfType(AssertionError.class)
			.isThrownBy(() -> IntStream.range(0, SEEDS).forEach((seed) -> new Run(engine, seed).run()));
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("mistakes")
	void finds(String mistake, String right, String wrong) {
		TestEngine engine = TestEngine.changed(this.database, "claim_log", TestEngine.replacing(right, wrong));
		assertThatExceptionOfType(AssertionError.class)
			.isThrownBy(() -> IntStream.range(0, SEEDS).forEach((seed) -> new Run(engine, seed).run()));
	}

	@Test
	void whatExpiredOrWasCancelledIsPassedOverAndEverythingElseIsClaimedOnce() {
		TestEngine engine = TestEngine.of(this.database);
		for (int seed = 0; seed < SEEDS / 2; seed++) {
			new Run(engine, seed).withMessagesToPassOver().run();
		}
	}

	@ParameterizedTest(name = "{0}")
	@MethodSource("mistakesWithMessagesToPassOver")
	void findsAmongMessagesToPassOver(String mistake, String function, String right, String wrong) {
		TestEngine engine = TestEngine.changed(this.database, function, TestEngine.replacing(right, wrong));
		assertThatExceptionOfType(AssertionError.class).isThrownBy(() -> IntStream.range(0, SEEDS / 2)
			.forEach((seed) -> new Run(engine, seed).withMessagesToPassOver().run()));
	}

	static Stream<Arguments> mistakesWithMessagesToPassOver() {
		return Stream.of(
				Arguments.of("expired messages are claimed", "claim_log", "WHEN m.expires_at <= v_now THEN",
						"WHEN m.expires_at <= v_now AND false THEN"),
				Arguments.of("cancelled messages are claimed", "claim_log", "WHEN m.id = ANY (v_cursor.skipped) THEN",
						"WHEN false THEN"),
				Arguments.of("a window counts as used up although the page was full", "claim_log",
						"AND t.picked <= v_look AS", "AS"),
				Arguments.of("a page without live messages ends the window", "claim_log",
						"t.kept = t.picked AND t.picked <= v_look AS",
						"t.kept = t.gone OR t.kept = t.picked AND t.picked <= v_look AS"),
				Arguments.of("the position stays before what is passed over", "claim_log", "WHERE t.kept > 0 OR p_move",
						"WHERE t.kept > t.gone OR p_move"),
				Arguments.of("what earlier pages of a call passed over is not counted", "claim_log",
						"v_expired := coalesce(v_cursor.expired, 0);", "v_expired := 0;"),
				Arguments.of("what was read before is cancelled", "take_out",
						"pg_visible_in_snapshot(v_xid, v_cursor.base)", "false"),
				Arguments.of("what the open window has passed is cancelled", "take_out",
						"AND (v_xid, p_id) <= (v_cursor.position_xid, v_cursor.position_id)", "AND false"));
	}

	static Stream<Arguments> mistakes() {
		return Stream.of(
				Arguments.of("transactions that were running at base are forgotten",
						"pg_visible_in_snapshot(x.xid, v_cursor.horizon));", "false);"),
				Arguments.of("the rest of an old transaction is forgotten", "x.xid >= v_cursor.position_xid AND",
						"x.xid > v_cursor.position_xid AND"),
				Arguments.of("an old transaction is read from its start at every page",
						"CASE WHEN o.xid = v_cursor.position_xid THEN v_cursor.position_id ELSE 0 END", "0"),
				Arguments.of("a page begins with the last message of the one before", "> (v_from_xid, v_from_id)",
						">= (v_from_xid, v_from_id)"),
				Arguments.of("the horizon does not hide what was running at it", HORIZON, ""),
				Arguments.of("the horizon is its xmax", HORIZON, "AND m.xid < pg_snapshot_xmax(v_cursor.horizon)"),
				Arguments.of("base is what is visible at the end of the claim",
						"CASE WHEN w.used_up THEN v_cursor.horizon ELSE",
						"CASE WHEN w.used_up THEN pg_current_snapshot() ELSE"),
				Arguments.of("nobody looks whether a full page is the last", "ORDER BY u.xid, u.id LIMIT v_look + 1",
						"ORDER BY u.xid, u.id LIMIT v_look"),
				Arguments.of("a window counts as used up although the bytes cut it off", "t.kept = t.picked AND", ""),
				Arguments.of("what was read to look ahead is claimed as well", "s.place <= p_limit AND", ""),
				Arguments.of("the position is the last picked, not the last kept", "t.ids[t.kept] END",
						"(SELECT p.id FROM picked p ORDER BY p.xid DESC, p.id DESC LIMIT 1) END"),
				Arguments.of("the two sources are not merged by position", "ORDER BY u.xid, u.id LIMIT",
						"ORDER BY u.id DESC LIMIT"),
				Arguments.of("the position is forgotten", "v_cursor.position_xid >= v_from_xid",
						"v_cursor.position_xid > v_from_xid"));
	}

	/**
	 * One random interleaving.
	 */
	private final class Run {

		private final TestEngine engine;

		private final int seed;

		private final Random random;

		private final List<Sender> senders = new ArrayList<>();

		private final Set<Long> committed = new HashSet<>();

		private final Set<Long> claimed = new HashSet<>();

		private final Cancellations cancellations;

		private boolean withMessagesToPassOver;

		private long expired;

		private long expectedToExpire;

		Run(TestEngine engine, int seed) {
			this.engine = engine;
			this.seed = seed;
			this.random = new Random(seed);
			this.cancellations = new Cancellations(engine.database);
		}

		Run withMessagesToPassOver() {
			this.withMessagesToPassOver = true;
			return this;
		}

		void run() {
			try {
				for (int i = 0; i < 4; i++) {
					this.senders.add(new Sender());
				}
				for (int i = 0; i < STEPS; i++) {
					step();
				}
				this.senders.forEach(Sender::commit);
				drain();
			}
			finally {
				this.senders.forEach(Sender::close);
			}
		}

		private void step() {
			if (this.withMessagesToPassOver && this.random.nextInt(8) == 0) {
				cancel();
				return;
			}
			int choice = this.random.nextInt(10);
			if (choice < 6) {
				this.senders.get(this.random.nextInt(this.senders.size())).step();
			}
			else if (choice < 9) {
				claim();
			}
			else {
				drain();
			}
		}

		private boolean claim() {
			// Each message has two bytes.
			long bytes = this.random.nextBoolean() ? TestEngine.BYTES : 1 + this.random.nextInt(8);
			int limit = 1 + this.random.nextInt(5);
			Claim claim = this.engine.leases
				.claim(this.engine.request(this.engine.worker, limit, bytes, OffsetDateTime.MIN));
			assertThat(claim.messages()).as("seed %s: the limit", this.seed).hasSizeLessThanOrEqualTo(limit);
			for (long id : TestEngine.ids(claim)) {
				assertThat(this.committed).as("seed %s: what is claimed was committed", this.seed).contains(id);
				assertThat(this.claimed.add(id)).as("seed %s: message %s is claimed once", this.seed, id).isTrue();
			}
			this.expired += claim.expired();
			return !claim.messages().isEmpty() || this.withMessagesToPassOver && claim.more();
		}

		/**
		 * Cancels a message that is not claimed yet, or one that is.
		 */
		private void cancel() {
			List<Long> candidates = new ArrayList<>(this.committed);
			if (candidates.isEmpty()) {
				return;
			}
			candidates.sort(null);
			// Mostly one of the last, because the others are claimed.
			int from = this.random.nextBoolean() ? Math.max(0, candidates.size() - 5) : 0;
			long id = candidates.get(from + this.random.nextInt(candidates.size() - from));
			if (this.claimed.contains(id)) {
				assertThat(this.engine.jdbc()
					.sql(this.engine.sql("SELECT $.take_out(?, ?, 0)"))
					.params(this.engine.queue.name(), id)
					.query(Integer.class)
					.single()).as("seed %s: what is claimed is not taken out of the log", this.seed).isZero();
			}
			Outcome outcome = this.cancellations.cancel(this.engine.queue.name(), id);
			assertThat(outcome).as("seed %s: cancelling %s", this.seed, id)
				.isEqualTo(this.claimed.contains(id) ? Outcome.IN_HAND : Outcome.CANCELLED);
			if (outcome == Outcome.CANCELLED) {
				this.committed.remove(id);
			}
		}

		private void drain() {
			int rounds = 0;
			while (claim()) {
				assertThat(rounds++).isLessThan(10_000);
			}
			assertThat(this.claimed).as("seed %s: everything committed is claimed", this.seed)
				.isEqualTo(this.committed);
			assertThat(this.expired).as("seed %s: everything expired is counted", this.seed)
				.isEqualTo(this.expectedToExpire);
		}

		/**
		 * A session that sends in transactions.
		 */
		private final class Sender {

			private final Session session = new Session(InterleavingIntegrationTests.this.database.directDataSource());

			private final List<Long> sent = new ArrayList<>();

			private long expiring;

			private boolean open;

			void step() {
				if (!this.open) {
					this.session.execute("BEGIN");
					this.open = true;
				}
				switch (Run.this.random.nextInt(9)) {
					case 0 -> this.session.execute("SELECT pg_current_xact_id()");
					case 1 -> {
						this.session.execute("SAVEPOINT one");
						send();
						this.session.execute("RELEASE one");
					}
					case 2 -> {
						this.session.execute("SAVEPOINT one");
						Run.this.engine.send(this.session);
						this.session.execute("ROLLBACK TO one");
					}
					case 3, 4, 5, 6 -> send();
					case 7 -> commit();
					default -> {
						this.session.rollback();
						this.sent.clear();
						this.expiring = 0;
						this.open = false;
					}
				}
			}

			private void send() {
				if (Run.this.withMessagesToPassOver && Run.this.random.nextInt(2) == 0) {
					this.expiring += sendExpired();
				}
				else {
					this.sent.add(Run.this.engine.send(this.session));
				}
			}

			private int sendExpired() {
				int count = 1 + Run.this.random.nextInt(6);
				this.session.jdbc()
					.sql(Run.this.engine.sql("SELECT count(*) FROM $.send_timed(?, array_fill('{}'::text, ARRAY[?]), "
							+ "array_fill(NULL::text, ARRAY[?]), NULL, NULL, 0)"))
					.params(Run.this.engine.queue.name(), count, count)
					.query(Long.class)
					.single();
				return count;
			}

			void commit() {
				if (this.open) {
					this.session.commit();
					Run.this.committed.addAll(this.sent);
					Run.this.expectedToExpire += this.expiring;
					this.sent.clear();
					this.expiring = 0;
					this.open = false;
				}
			}

			void close() {
				this.session.close();
			}

		}

	}

}
