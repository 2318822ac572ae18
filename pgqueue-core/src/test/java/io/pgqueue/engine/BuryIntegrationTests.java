package io.pgqueue.engine;

import java.util.List;

import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Dead letters: made of fresh and of redelivered messages, with why and how often.
 */
@PgQueueDatabase
class BuryIntegrationTests {

	private final TestEngine engine;

	private final DeadLetters deadLetters;

	BuryIntegrationTests(TestDatabase database) {
		this.engine = TestEngine.of(database);
		this.deadLetters = new DeadLetters(this.engine.database);
	}

	@Test
	void aFreshMessageBecomesADeadLetterWithEverythingItHad() {
		long id = this.engine.log.send(this.engine.queue.name(), List.of("{\"a\": 1}"), List.of("{\"h\":\"1\"}"))[0];
		ClaimedMessage claimed = this.engine.claim(1).messages().get(0);
		assertThat(bury(id, true, "a.B", "why")).isEmpty();
		DeadLetters.Row row = list().get(0);
		assertThat(row.death().id()).isEqualTo(id);
		assertThat(row.subscriptionId()).isEqualTo(this.engine.queue.subscriptionId());
		assertThat(row.reason()).isEqualTo("given up");
		assertThat(row.worker()).isEqualTo("test");
		assertThat(row.redrives()).isZero();
		assertThat(row.errorClass()).isEqualTo("a.B");
		assertThat(row.errorMessage()).isEqualTo("why");
		assertThat(row.attempts()).isOne();
		assertThat(row.enqueuedAt()).isEqualTo(claimed.enqueuedAt());
		assertThat(row.death().deadAt()).isAfterOrEqualTo(row.enqueuedAt());
		DeadLetters.Content content = this.deadLetters.read(this.engine.queue.subscriptionId(), id);
		assertThat(content.row()).isEqualTo(row);
		assertThat(content.payload()).isEqualTo("{\"a\": 1}");
		assertThat(content.headers()).isEqualTo("{\"h\":\"1\"}");
		assertThat(content.errorStack()).isEqualTo("at a.B");
		assertThat(this.engine.jdbc()
			.sql("SELECT size || ' ' || lane FROM pgqueue.dead_letter WHERE id = ?")
			.param(id)
			.query(String.class)
			.single()).isEqualTo("17 0");
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).isEmpty();
		assertThat(this.engine.drain()).isEmpty();
	}

	@Test
	void aRedeliveredMessageKeepsItsCountAndItsLastErrorUnlessThereIsANewOne() {
		long[] ids = this.engine.send(2);
		this.engine.claim(10);
		long lease = this.engine.lastLease();
		this.engine.leases.retry(this.engine.worker,
				List.of(TestEngine.failure(lease, ids[0], 0, true), TestEngine.failure(lease, ids[1], 0, true)));
		this.engine.claim(10);
		bury(ids[0], true, null, null);
		bury(ids[1], false, "a.New", "newer");
		assertThat(list()).extracting((row) -> row.death().id()).containsExactlyInAnyOrder(ids[0], ids[1]);
		assertThat(list()).filteredOn((row) -> row.death().id() == ids[0]).singleElement().satisfies((row) -> {
			assertThat(row.attempts()).isEqualTo(2);
			assertThat(row.errorClass()).isEqualTo("java.lang.IllegalStateException");
		});
		assertThat(list()).filteredOn((row) -> row.death().id() == ids[1]).singleElement().satisfies((row) -> {
			assertThat(row.attempts()).isOne();
			assertThat(row.errorMessage()).isEqualTo("newer");
		});
		assertThat(this.engine.retried()).isEmpty();
	}

	@Test
	void partOfALeaseIsBuriedTheRestStays() {
		long[] ids = this.engine.send(3);
		this.engine.claim(3);
		bury(ids[1], true, "a.B", "why");
		assertThat(this.engine.leased(this.engine.worker, this.engine.lastLease())).containsExactly(ids[0], ids[2]);
	}

	@Test
	void whatIsNoLongerHeldIsNamedAndNotBuried() {
		long id = this.engine.send();
		this.engine.claim(1);
		long lease = this.engine.lastLease();
		this.engine.leases.settle(this.engine.worker, List.of(lease), List.of(), List.of());
		assertThat(bury(id, true, "a.B", "why")).containsExactly(new Held(lease, id));
		assertThat(list()).isEmpty();
	}

	@Test
	void theNewestComeFirstAndNoMoreThanAskedFor() {
		long[] ids = this.engine.send(3);
		this.engine.claim(3);
		for (long id : ids) {
			bury(id, true, "a.B", "why");
		}
		assertThat(this.engine.deadLetters(2)).extracting((row) -> row.death().id()).containsExactly(ids[2], ids[1]);
	}

	@Test
	void aNewErrorWithoutAMessageDoesNotGetTheMessageOfTheOneBefore() {
		long id = this.engine.send();
		this.engine.claim(1);
		this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(this.engine.lastLease(), id, 0, true)));
		this.engine.claim(1);
		bury(id, true, "a.Silent", null);
		assertThat(list()).singleElement().satisfies((row) -> {
			assertThat(row.errorClass()).isEqualTo("a.Silent");
			assertThat(row.errorMessage()).isNull();
		});
	}

	private List<Held> bury(long id, boolean counted, String errorClass, String errorMessage) {
		return this.engine.leases.bury(this.engine.worker, List.of(new Failure(new Held(this.engine.lastLease(), id), 0,
				counted, "given up", errorClass, errorMessage, "at a.B")));
	}

	private List<DeadLetters.Row> list() {
		return this.engine.deadLetters(10);
	}

}
