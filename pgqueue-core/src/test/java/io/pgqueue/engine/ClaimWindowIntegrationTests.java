package io.pgqueue.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * What a claim reads: windows between two snapshots, and a position.
 */
@PgQueueDatabase
class ClaimWindowIntegrationTests {

	private final TestDatabase database;

	private final TestEngine engine;

	ClaimWindowIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@ParameterizedTest
	@ValueSource(ints = { 1, 2, 3, 10, 100 })
	void everyMessageComesOnceAndInOrderWhateverTheSizeOfTheClaims(int limit) {
		List<Long> sent = new ArrayList<>();
		for (int batch = 1; batch <= 4; batch++) {
			sent.addAll(TestEngine.list(this.engine.send(batch)));
		}
		assertThat(this.engine.drain(limit)).isEqualTo(sent);
		assertThat(this.engine.count("lease")).isPositive();
	}

	@Test
	void aClaimReturnsWhatWasSent() {
		long[] ids = this.engine.log.send(this.engine.queue.name(), List.of("{\"a\": 1}", "\"ü\""),
				Arrays.asList("{\"h\":\"1\"}", null));
		Claim claim = this.engine.claim(10);
		assertThat(claim.busy()).isFalse();
		assertThat(claim.nextDueMicros()).isNull();
		assertThat(TestEngine.ids(claim)).isEqualTo(TestEngine.list(ids));
		ClaimedMessage first = claim.messages().get(0);
		assertThat(first.payload()).isEqualTo("{\"a\": 1}");
		assertThat(first.headers()).isEqualTo("{\"h\":\"1\"}");
		assertThat(first.attempt()).isOne();
		assertThat(first.redelivered()).isFalse();
		assertThat(claim.messages().get(1).payload()).isEqualTo("\"ü\"");
		assertThat(claim.messages().get(1).headers()).isNull();
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).isEqualTo(TestEngine.list(ids));
	}

	@Test
	void anOpenTransactionDelaysOnlyItsOwnMessages() {
		try (Session open = Session.begin(this.database)) {
			long late = this.engine.send(open);
			for (int i = 0; i < 5; i++) {
				long[] ids = this.engine.send(3);
				assertThat(this.engine.drain(2)).isEqualTo(TestEngine.list(ids));
			}
			open.commit();
			assertThat(this.engine.drain(2)).containsExactly(late);
		}
	}

	@Test
	void transactionsThatEndInAnyOrderLoseNothing() {
		try (Session first = Session.begin(this.database);
				Session second = Session.begin(this.database);
				Session third = Session.begin(this.database)) {
			long one = this.engine.send(first);
			long two = this.engine.send(second);
			long three = this.engine.send(third);
			second.commit();
			assertThat(this.engine.drain(1)).containsExactly(two);
			long four = this.engine.send();
			third.commit();
			assertThat(this.engine.drain(1)).containsExactly(three, four);
			first.commit();
			assertThat(this.engine.drain(1)).containsExactly(one);
		}
	}

	@Test
	void anOldTransactionThatCommitsInTheMiddleOfAWindowComesWithTheNextOne() {
		try (Session open = Session.begin(this.database)) {
			long early = this.engine.send(open);
			long[] ids = this.engine.send(4);
			assertThat(TestEngine.ids(this.engine.claim(2))).containsExactly(ids[0], ids[1]);
			long late = this.engine.send(open);
			open.commit();
			long next = this.engine.send();
			assertThat(this.engine.drain(2)).containsExactly(ids[2], ids[3], early, late, next);
		}
	}

	@Test
	void manyMessagesOfAnOldTransactionAreReadPageByPage() {
		try (Session open = Session.begin(this.database); Session older = Session.begin(this.database)) {
			long oldest = this.engine.send(older);
			List<Long> expected = new ArrayList<>();
			for (int i = 0; i < 7; i++) {
				expected.add(this.engine.send(open));
			}
			assertThat(this.engine.drain()).isEmpty();
			this.engine.send(1);
			assertThat(this.engine.drain()).hasSize(1);
			open.commit();
			older.commit();
			expected.add(oldest);
			long[] fresh = this.engine.send(3);
			expected.addAll(TestEngine.list(fresh));
			assertThat(this.engine.drain(2)).containsExactlyInAnyOrderElementsOf(expected).hasSize(11);
		}
	}

	@Test
	void aWindowWhoseRestWasReclaimedUnreadDoesNotStopTheLane() {
		assertThat(claimBehindAWindowWhoseRestIsGone(this.engine)).hasSize(1);
		assertThat(this.engine.drain()).isEmpty();
	}

	@Test
	void withoutItsOwnBaseTheWindowAfterItWouldDeliverTwice() {
		TestEngine broken = TestEngine.changed(this.database, "claim_log",
				TestEngine.replacing("v_cursor.base := v_cursor.horizon;", ""));
		assertThat(claimBehindAWindowWhoseRestIsGone(broken)).hasSizeGreaterThan(1);
	}

	private static List<Long> claimBehindAWindowWhoseRestIsGone(TestEngine engine) {
		long[] ids = engine.send(4);
		assertThat(TestEngine.ids(engine.claim(2))).containsExactly(ids[0], ids[1]);
		engine.jdbc().sql(engine.sql("DELETE FROM $.message WHERE id IN (?, ?)")).params(ids[2], ids[3]).update();
		engine.send();
		return TestEngine.ids(engine.claim(10));
	}

	@Test
	void rolledBackSendsLeaveNoGap() {
		List<Long> sent = new ArrayList<>();
		for (int i = 0; i < 5; i++) {
			sent.add(this.engine.send());
			try (Session session = Session.begin(this.database)) {
				this.engine.send(session);
				session.rollback();
			}
		}
		assertThat(this.engine.drain(2)).isEqualTo(sent);
	}

	@Test
	void whatWasSentInASavepointThatIsUndoneIsNeverSeen() {
		try (Session session = Session.begin(this.database)) {
			long before = this.engine.send(session);
			session.execute("SAVEPOINT one");
			this.engine.send(session);
			session.execute("ROLLBACK TO one");
			session.execute("SAVEPOINT two");
			long kept = this.engine.send(session);
			session.execute("RELEASE two");
			long after = this.engine.send(session);
			assertThat(this.engine.drain()).isEmpty();
			session.commit();
			assertThat(this.engine.drain(1)).containsExactly(before, kept, after);
		}
	}

	@Test
	void aPreparedTransactionIsDeliveredOnceItIsCommitted() {
		String name = "prepared-" + this.engine.queue.name();
		try (Session session = Session.begin(this.database)) {
			long id = this.engine.send(session);
			session.execute("PREPARE TRANSACTION '" + name + "'");
			long other = this.engine.send();
			assertThat(this.engine.drain()).containsExactly(other);
			session.execute("COMMIT PREPARED '" + name + "'");
			assertThat(this.engine.drain()).containsExactly(id);
		}
	}

	@ParameterizedTest
	@ValueSource(strings = { "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE" })
	void sendingWorksAtEveryIsolationLevel(String isolation) {
		try (Session session = Session.begin(this.database, isolation)) {
			session.execute("SELECT 1");
			long other = this.engine.send();
			assertThat(this.engine.drain()).containsExactly(other);
			long id = this.engine.send(session);
			session.commit();
			assertThat(this.engine.drain()).containsExactly(id);
		}
	}

	@Test
	void idlePollsTakeNoTransactionIdAndWriteNothing() {
		this.engine.send(3);
		assertThat(this.engine.drain()).hasSize(3);
		long cursors = this.engine.count("cursor");
		try (Session session = Session.begin(this.database)) {
			for (int i = 0; i < 100; i++) {
				assertThat(claim(this.engine, session)).containsExactly("e");
			}
			assertThat(hasTransactionId(session)).isFalse();
		}
		assertThat(this.engine.count("cursor")).isEqualTo(cursors);
	}

	@Test
	void aClaimThatLockedTheLaneBeforeItLooksWouldTakeATransactionIdAtEachPoll() {
		TestEngine broken = TestEngine.changed(this.database, "claim",
				TestEngine.replacing("IF v_cursor.horizon IS NULL THEN", "IF false THEN"));
		broken.drain();
		try (Session session = Session.begin(this.database)) {
			assertThat(claim(broken, session)).containsExactly("e");
			assertThat(hasTransactionId(session)).isTrue();
		}
	}

	@Test
	void aRetryThatIsNotYetDueLeavesPollsIdle() {
		long id = this.engine.send();
		this.engine.claim(1);
		this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(this.engine.lastLease(), id, 3_600_000, true)));
		this.engine.drain();
		assertThat(this.engine.claim(10).nextDueMicros()).isBetween(3_000_000_000L, 3_600_000_000L);
		try (Session session = Session.begin(this.database)) {
			assertThat(claim(this.engine, session)).containsExactly("e");
			assertThat(hasTransactionId(session)).isFalse();
		}
	}

	@Test
	void aClaimRefusesToRunInATransactionThatHasWrittenSomething() {
		this.engine.send();
		try (Session session = Session.begin(this.database)) {
			this.engine.send(session);
			assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> claim(this.engine, session))
				.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ01"))
				.withStackTraceContaining("must be a transaction of its own");
		}
	}

	@Test
	void aSubscriptionThatDoesNotExistIsNamed() {
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> this.engine.claimAs(987_654, 1))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ03"))
			.withStackTraceContaining("subscription 987654 does not exist");
	}

	@Test
	void whileAnotherClaimIsInTheLaneAClaimSaysBusyAndNotEmpty() {
		long id = this.engine.send();
		try (Session other = Session.begin(this.database)) {
			other.execute("SELECT 1 FROM pgqueue.lane WHERE subscription_id = " + this.engine.queue.subscriptionId()
					+ " FOR NO KEY UPDATE");
			Claim claim = this.engine.claim(10);
			assertThat(claim.busy()).isTrue();
			assertThat(claim.messages()).isEmpty();
		}
		Claim claim = this.engine.claim(10);
		assertThat(claim.busy()).isFalse();
		assertThat(TestEngine.ids(claim)).containsExactly(id);
	}

	private static List<String> claim(TestEngine claiming, Session session) {
		return session.jdbc()
			.sql(claiming.sql("SELECT state FROM $.claim(?, 77, ?, ?, 10, 1000000, '-infinity')"))
			.params(claiming.worker, claiming.queue.queueId(), claiming.queue.subscriptionId())
			.query(String.class)
			.list();
	}

	private static boolean hasTransactionId(Session session) {
		return session.jdbc().sql("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").query(Boolean.class).single();
	}

}
