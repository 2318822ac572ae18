package io.pgqueue.engine;

import java.util.Collections;
import java.util.List;
import java.util.stream.LongStream;

import io.pgqueue.engine.Leases.Held;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Acknowledging: what is held goes, what is not held is named, nobody else's is touched.
 */
@PgQueueDatabase
class SettleIntegrationTests {

	private static final List<Long> NO_LEASES = List.of();

	private static final List<Held> NONE = List.of();

	private final TestDatabase database;

	private final TestEngine engine;

	SettleIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@Test
	void wholeLeasesGo() {
		this.engine.send(6);
		this.engine.claim(2);
		long first = this.engine.lastLease();
		this.engine.claim(2);
		long second = this.engine.lastLease();
		this.engine.claim(2);
		assertThat(this.engine.leases.settle(this.engine.worker, List.of(first, second), NONE, NONE)).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, first)).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, second)).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).hasSize(2);
		assertThat(this.engine.drain()).as("nothing comes back").isEmpty();
	}

	@Test
	void partsGoOneByOneAndTheLeaseWithTheLast() {
		long[] ids = this.engine.send(3);
		this.engine.claim(3);
		long lease = this.engine.lastLease();
		assertThat(settleParts(lease, ids[1])).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, lease)).containsExactly(ids[0], ids[2]);
		assertThat(settleParts(lease, ids[0], ids[2])).isEmpty();
		assertThat(this.engine.jdbc()
			.sql("SELECT count(*) FROM pgqueue.lease WHERE worker_id = ? AND n = ?")
			.params(this.engine.worker, lease)
			.query(Long.class)
			.single()).isZero();
	}

	@Test
	void aRestThatStaysCanStillBeRetriedBecauseItsPositionStaysWithIt() {
		long[] ids = this.engine.send(4);
		this.engine.claim(4);
		long lease = this.engine.lastLease();
		settleParts(lease, ids[2], ids[0]);
		assertThat(this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(lease, ids[3], 0, true), TestEngine.failure(lease, ids[1], 0, true))))
			.isEmpty();
		assertThat(this.engine.retried()).containsExactly(ids[1], ids[3]);
	}

	@Test
	void redeliveredMessagesGoFromRetry() {
		long[] ids = this.engine.send(2);
		redeliver(ids);
		this.engine.claim(10);
		long lease = this.engine.lastLease();
		assertThat(this.engine.leases.settle(this.engine.worker, NO_LEASES, NONE, List.of(new Held(lease, ids[0]))))
			.isEmpty();
		assertThat(this.engine.retried()).containsExactly(ids[1]);
		assertThat(this.engine.leases.settle(this.engine.worker, NO_LEASES, NONE, List.of(new Held(lease, ids[1]))))
			.isEmpty();
		assertThat(this.engine.retried()).isEmpty();
	}

	@Test
	void everyKindGoesInOneCallAndWhatWasLostIsNamedExactly() {
		long[] redelivered = this.engine.send(2);
		redeliver(redelivered);
		long[] ids = this.engine.send(5);
		this.engine.nextLeaseIs(true);
		this.engine.claim(20);
		long lease = this.engine.lastLease();
		assertThat(this.engine.leased(this.engine.worker, lease)).isEqualTo(TestEngine.list(ids));
		long[] whole = this.engine.send(1);
		this.engine.claim(1);
		long wholeLease = this.engine.lastLease();

		List<Held> lost = this.engine.leases.settle(this.engine.worker, List.of(wholeLease, 777_777L),
				List.of(new Held(lease, ids[0]), new Held(lease, whole[0]), new Held(888_888L, ids[1])),
				List.of(new Held(lease, redelivered[0]), new Held(lease, ids[2]), new Held(999_999L, redelivered[1])));

		assertThat(lost).containsExactlyInAnyOrder(new Held(777_777L, 0), new Held(lease, whole[0]),
				new Held(888_888L, ids[1]), new Held(lease, ids[2]), new Held(999_999L, redelivered[1]));
		assertThat(this.engine.leased(this.engine.worker, wholeLease)).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, lease)).containsExactly(ids[1], ids[2], ids[3], ids[4]);
		assertThat(this.engine.retried()).containsExactly(redelivered[1]);
	}

	@Test
	void settlingTwiceReportsTheSecondAsLost() {
		long[] ids = this.engine.send(2);
		this.engine.claim(1);
		long whole = this.engine.lastLease();
		this.engine.claim(1);
		long part = this.engine.lastLease();
		assertThat(this.engine.leases.settle(this.engine.worker, List.of(whole), NONE, NONE)).isEmpty();
		assertThat(this.engine.leases.settle(this.engine.worker, List.of(whole), NONE, NONE))
			.containsExactly(new Held(whole, 0));
		assertThat(settleParts(part, ids[1])).isEmpty();
		assertThat(settleParts(part, ids[1])).containsExactly(new Held(part, ids[1]));
	}

	@Test
	void anotherWorkerCanSettleNothingOfIt() {
		long[] ids = this.engine.send(2);
		redeliver(ids[0]);
		this.engine.nextLeaseIs(true);
		this.engine.claim(10);
		long lease = this.engine.lastLease();
		long other = this.engine.registerWorker();
		Held old = new Held(lease, ids[0]);
		Held fresh = new Held(lease, ids[1]);
		assertThat(this.engine.leases.settle(other, List.of(lease), NONE, NONE)).containsExactly(new Held(lease, 0));
		assertThat(this.engine.leases.settle(other, NO_LEASES, List.of(fresh), List.of(old)))
			.containsExactlyInAnyOrder(fresh, old);
		assertThat(this.engine.leases.retry(other,
				List.of(TestEngine.failure(lease, ids[0], 0, true), TestEngine.failure(lease, ids[1], 0, true))))
			.containsExactlyInAnyOrder(fresh, old);
		assertThat(this.engine.leases.bury(other,
				List.of(TestEngine.failure(lease, ids[0], 0, true), TestEngine.failure(lease, ids[1], 0, true))))
			.containsExactlyInAnyOrder(fresh, old);
		assertThat(this.engine.leased(this.engine.worker, lease)).containsExactly(ids[1]);
		assertThat(this.engine.retried()).containsExactly(ids[0]);
	}

	@Test
	void aLeaseOfTheSameNumberOfAnotherSubscriptionIsNotTouchedByAForeignMessage() {
		long[] mine = this.engine.send(1);
		TestEngine other = TestEngine.of(this.database);
		long[] theirs = other.send(1);
		this.engine.claim(1);
		assertThat(settleParts(this.engine.lastLease(), theirs[0]))
			.containsExactly(new Held(this.engine.lastLease(), theirs[0]));
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).containsExactly(mine[0]);
	}

	@Test
	void nothingAtAllIsSettledWithoutAFuss() {
		assertThat(this.engine.leases.settle(this.engine.worker, NO_LEASES, NONE, NONE)).isEmpty();
		assertThat(this.engine.leases.retry(this.engine.worker, List.of())).isEmpty();
		assertThat(this.engine.leases.bury(this.engine.worker, List.of())).isEmpty();
	}

	@Test
	void aThousandLeasesAreSettledInOneCall() {
		this.engine.send(1000);
		long first = this.engine.lastLease() + 1;
		for (int i = 0; i < 1000; i++) {
			this.engine.claim(1);
		}
		List<Long> leases = LongStream.rangeClosed(first, this.engine.lastLease()).boxed().toList();
		assertThat(this.engine.leases.settle(this.engine.worker, leases, NONE, NONE)).isEmpty();
		assertThat(this.engine.jdbc()
			.sql("SELECT count(*) FROM pgqueue.lease WHERE worker_id = ?")
			.param(this.engine.worker)
			.query(Long.class)
			.single()).isZero();
	}

	@Test
	void settlingInsideATransactionOfTheHandlerIsUndoneWithIt() {
		this.engine.send(1);
		this.engine.claim(1);
		long lease = this.engine.lastLease();
		try (Session session = Session.begin(this.database, "SERIALIZABLE")) {
			assertThat(session.jdbc()
				.sql("SELECT count(*) FROM pgqueue.settle(?, ARRAY[?], '{}', '{}', '{}', '{}')")
				.params(this.engine.worker, lease)
				.query(Long.class)
				.single()).isZero();
			session.rollback();
		}
		assertThat(this.engine.leased(this.engine.worker, lease)).hasSize(1);
	}

	@Test
	void aMessageThatIsGoneFromTheLogStopsARetryAndChangesNothing() {
		long[] ids = this.engine.send(3);
		redeliver(ids[0]);
		this.engine.nextLeaseIs(true);
		this.engine.claim(10);
		long lease = this.engine.lastLease();
		this.engine.jdbc().sql("DELETE FROM pgqueue.message WHERE id = ? AND slot >= 0").param(ids[2]).update();
		var failures = List.of(TestEngine.failure(lease, ids[0], 0, true), TestEngine.failure(lease, ids[1], 0, true),
				TestEngine.failure(lease, ids[2], 0, true));
		assertThatExceptionOfType(RuntimeException.class)
			.isThrownBy(() -> this.engine.leases.retry(this.engine.worker, failures))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ04"))
			.withStackTraceContaining(
					"2 messages stand in leases of worker " + this.engine.worker + ", but only 1 of them in the log");
		assertThatExceptionOfType(RuntimeException.class)
			.isThrownBy(() -> this.engine.leases.bury(this.engine.worker, failures))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ04"));
		assertThat(this.engine.leased(this.engine.worker, lease)).containsExactly(ids[1], ids[2]);
		assertThat(this.engine.jdbc()
			.sql("SELECT worker_id FROM pgqueue.retry WHERE id = ?")
			.param(ids[0])
			.query(Long.class)
			.single()).isEqualTo(this.engine.worker);
		assertThat(this.engine.count("dead_letter")).isZero();
		assertThat(settleParts(lease, ids[1], ids[2])).as("they can still be acknowledged").isEmpty();
	}

	@Test
	void withoutTheCheckAMissingMessageWouldVanishWithItsLease() {
		TestEngine broken = TestEngine.changed(this.database, "take_from_log",
				TestEngine.replacing("v_found <> v_held.messages", "false"));
		long[] ids = broken.send(1);
		broken.claim(1);
		broken.jdbc().sql(broken.sql("DELETE FROM $.message WHERE id = ?")).param(ids[0]).update();
		assertThat(broken.leases.retry(broken.worker, List.of(TestEngine.failure(broken.lastLease(), ids[0], 0, true))))
			.isEqualTo(List.of(new Held(broken.lastLease(), ids[0])));
		assertThat(broken.count("lease")).isZero();
		assertThat(broken.count("retry")).isZero();
	}

	private List<Held> settleParts(long lease, long... ids) {
		return this.engine.leases.settle(this.engine.worker, NO_LEASES,
				TestEngine.list(ids).stream().map((id) -> new Held(lease, id)).toList(), NONE);
	}

	/**
	 * Claims messages that were just sent and puts them back, due at once.
	 */
	private void redeliver(long... ids) {
		this.engine.claim(ids.length);
		long lease = this.engine.lastLease();
		assertThat(this.engine.leases.retry(this.engine.worker,
				TestEngine.list(ids).stream().map((id) -> TestEngine.failure(lease, id, 0, true)).toList()))
			.isEqualTo(Collections.emptyList());
	}

}
