package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

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
				Arguments.of("the horizon does not hide what was running at it",
						"AND m.xid < pg_snapshot_xmax(v_cursor.horizon) AND pg_visible_in_snapshot(m.xid, v_cursor.horizon)",
						""),
				Arguments.of("the horizon is its xmax",
						"AND m.xid < pg_snapshot_xmax(v_cursor.horizon) AND pg_visible_in_snapshot(m.xid, v_cursor.horizon)",
						"AND m.xid < pg_snapshot_xmax(v_cursor.horizon)"),
				Arguments.of("base is what is visible at the end of the claim",
						"CASE WHEN w.used_up THEN v_cursor.horizon ELSE",
						"CASE WHEN w.used_up THEN pg_current_snapshot() ELSE"),
				Arguments.of("nobody looks whether a full page is the last", "ORDER BY u.xid, u.id LIMIT p_limit + 1",
						"ORDER BY u.xid, u.id LIMIT p_limit"),
				Arguments.of("a window counts as used up although the bytes cut it off", "t.kept = t.picked AS",
						"t.picked <= p_limit AS"),
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

		Run(TestEngine engine, int seed) {
			this.engine = engine;
			this.seed = seed;
			this.random = new Random(seed);
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
			Claim claim = this.engine.leases
				.claim(this.engine.request(this.engine.worker, 1 + this.random.nextInt(5), bytes, OffsetDateTime.MIN));
			for (long id : TestEngine.ids(claim)) {
				assertThat(this.committed).as("seed %s: what is claimed was committed", this.seed).contains(id);
				assertThat(this.claimed.add(id)).as("seed %s: message %s is claimed once", this.seed, id).isTrue();
			}
			return !claim.messages().isEmpty();
		}

		private void drain() {
			int rounds = 0;
			while (claim()) {
				assertThat(rounds++).isLessThan(10_000);
			}
			assertThat(this.claimed).as("seed %s: everything committed is claimed", this.seed)
				.isEqualTo(this.committed);
		}

		/**
		 * A session that sends in transactions.
		 */
		private final class Sender {

			private final Session session = new Session(InterleavingIntegrationTests.this.database.directDataSource());

			private final List<Long> sent = new ArrayList<>();

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
						this.open = false;
					}
				}
			}

			private void send() {
				this.sent.add(Run.this.engine.send(this.session));
			}

			void commit() {
				if (this.open) {
					this.session.commit();
					Run.this.committed.addAll(this.sent);
					this.sent.clear();
					this.open = false;
				}
			}

			void close() {
				this.session.close();
			}

		}

	}

}
