package io.pgqueue.engine;

import java.util.List;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.tuple;

/**
 * What a living worker holds by the books but not in its hands goes back (review A2).
 */
@PgQueueDatabase
class ReconcileIntegrationTests {

	private final TestEngine engine;

	private final Workers workers;

	ReconcileIntegrationTests(TestDatabase database) {
		this.engine = TestEngine.of(database);
		this.workers = this.engine.workers();
	}

	@AfterEach
	void close() {
		this.workers.close();
	}

	@Test
	void aClaimWhoseAnswerWasLostIsHandedBackWithoutCountingAnAttempt() {
		long[] ids = this.engine.send(3);
		this.engine.claim(10);
		assertThat(reconcile(1, this.engine.lastLease())).isEqualTo(3);
		assertThat(reconcile(1, this.engine.lastLease())).isZero();
		assertThat(this.engine.claim(10).messages()).extracting(ClaimedMessage::id, ClaimedMessage::attempt)
			.containsExactlyInAnyOrder(tuple(ids[0], 1), tuple(ids[1], 1), tuple(ids[2], 1));
	}

	@Test
	void aRedeliveredMessageIsHandedBackWithTheAttemptsThatItHad() {
		long id = this.engine.send();
		this.engine.claim(10);
		this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(this.engine.lastLease(), id, 0, true)));
		assertThat(this.engine.claim(10).messages().get(0).attempt()).isEqualTo(2);
		assertThat(reconcile(1, this.engine.lastLease())).isOne();
		assertThat(this.engine.claim(10).messages().get(0).attempt()).isEqualTo(2);
	}

	@Test
	void whatIsInHandOrOutsideTheRangeStays() {
		this.engine.send(4);
		long[] leases = new long[4];
		for (int i = 0; i < 4; i++) {
			this.engine.claim(1);
			leases[i] = this.engine.lastLease();
		}
		assertThat(reconcile(leases[1], leases[2], leases[1])).isOne();
		assertThat(this.engine.leased(this.engine.worker, leases[0])).hasSize(1);
		assertThat(this.engine.leased(this.engine.worker, leases[1])).hasSize(1);
		assertThat(this.engine.leased(this.engine.worker, leases[2])).isEmpty();
		assertThat(this.engine.leased(this.engine.worker, leases[3])).hasSize(1);
	}

	@Test
	void anotherWorkersLeasesAreNotTouched() {
		this.engine.send();
		this.engine.claim(1);
		long other = this.engine.registerWorker();
		assertThat(this.workers.reconcile(other, 1, this.engine.lastLease(), new long[0])).isZero();
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).hasSize(1);
	}

	@Test
	void whatIsGoneFromTheLogStaysWhereItIs() {
		long id = this.engine.send();
		this.engine.claim(1);
		this.engine.jdbc().sql("DELETE FROM pgqueue.message WHERE id = ?").param(id).update();
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> reconcile(1, this.engine.lastLease()))
			.satisfies((ex) -> assertThat(TestEngine.sqlState(ex)).isEqualTo("PGQ04"));
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).containsExactly(id);
	}

	private int reconcile(long from, long to, long... inHand) {
		return this.workers.reconcile(this.engine.worker, from, to, inHand);
	}

}
