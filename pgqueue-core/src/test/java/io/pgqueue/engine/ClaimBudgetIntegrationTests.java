package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Large payloads neither stop a lane nor burst a client (review A11).
 */
@PgQueueDatabase
class ClaimBudgetIntegrationTests {

	private static final int MEGABYTE = 1024 * 1024;

	private final TestDatabase database;

	private final TestEngine engine;

	ClaimBudgetIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@Test
	void aClaimKeepsItsByteBudgetAndEverythingComesInTheEnd() {
		List<Long> sent = new ArrayList<>();
		for (int i = 0; i < 14; i++) {
			sent.add(sendLarge(this.engine, MEGABYTE));
		}
		List<Long> claimed = new ArrayList<>();
		Claim claim = claim(this.engine, 100, 4 * MEGABYTE);
		while (!claim.messages().isEmpty()) {
			assertThat(size(claim)).isBetween(MEGABYTE, 5 * MEGABYTE);
			claimed.addAll(TestEngine.ids(claim));
			claim = claim(this.engine, 100, 4 * MEGABYTE);
		}
		assertThat(claimed).isEqualTo(sent);
	}

	@Test
	void aMessageLargerThanTheBudgetIsClaimedAlone() {
		long first = sendLarge(this.engine, 2 * MEGABYTE);
		long second = sendLarge(this.engine, 2 * MEGABYTE);
		long small = this.engine.send();
		assertThat(TestEngine.ids(claim(this.engine, 10, 1))).containsExactly(first);
		assertThat(TestEngine.ids(claim(this.engine, 10, 1))).containsExactly(second);
		assertThat(TestEngine.ids(claim(this.engine, 10, 1))).containsExactly(small);
	}

	@Test
	void aLargeMessageInTheMiddleEndsTheClaimButNotTheOrder() {
		long small = this.engine.send();
		long large = sendLarge(this.engine, 2 * MEGABYTE);
		long after = this.engine.send();
		assertThat(TestEngine.ids(claim(this.engine, 10, 10))).containsExactly(small, large);
		assertThat(TestEngine.ids(claim(this.engine, 10, 10))).containsExactly(after);
	}

	/**
	 * Fourteen of 64 MiB are more than one answer of the server could carry in an array
	 * or a client hold; one by one, they pass.
	 */
	@Test
	@Tag("long")
	void theLargestPayloadsThatSqlAcceptsDoNotStopTheLane() {
		for (int i = 0; i < 14; i++) {
			sendLarge(this.engine, 64 * MEGABYTE - 2);
		}
		Set<Long> claimed = new HashSet<>();
		for (int i = 0; i < 14; i++) {
			Claim claim = claim(this.engine, 100, TestEngine.BYTES);
			assertThat(claim.messages()).hasSize(1);
			claimed.addAll(TestEngine.ids(claim));
			this.engine.leases.settle(this.engine.worker, List.of(this.engine.lastLease()), List.of(), List.of());
		}
		assertThat(claimed).hasSize(14);
		assertThat(claim(this.engine, 100, TestEngine.BYTES).messages()).isEmpty();
	}

	@Test
	void sqlRefusesMoreThanSixtyFourMebibytes() {
		assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> sendLarge(this.engine, 64 * MEGABYTE + 1))
			.withStackTraceContaining("size_check");
		assertThat(this.engine.drain()).isEmpty();
	}

	@Test
	void headersCountAsWell() {
		String headers = "{\"h\":\"" + "x".repeat(1000) + "\"}";
		this.engine.log.send(this.engine.queue.name(), Collections.nCopies(10, "1"), Collections.nCopies(10, headers));
		assertThat(claim(this.engine, 10, 2000).messages()).hasSize(2);
	}

	@Test
	void retriesKeepTheBudgetToo() {
		retryAll(this.engine, 5, MEGABYTE);
		Claim claim = claim(this.engine, 100, 2 * MEGABYTE);
		assertThat(size(claim)).isBetween(MEGABYTE, 3 * MEGABYTE);
		assertThat(claim.messages()).allMatch(ClaimedMessage::redelivered);
	}

	@Test
	void retriesThatTheBudgetCutOffComeWithTheNextClaim() {
		retryAll(this.engine, 6, MEGABYTE);
		makeOverdue(this.engine);
		Set<Long> claimed = new HashSet<>();
		for (int i = 0; i < 3; i++) {
			Claim claim = this.engine.claimFromMark(100, 2 * MEGABYTE);
			claimed.addAll(TestEngine.ids(claim));
			if (i < 2) {
				assertThat(claim.nextDueMicros()).as("there is more, and it is due").isZero();
			}
		}
		assertThat(claimed).hasSize(6);
	}

	@Test
	void retriesAndNewMessagesTogetherStayWithinTwiceTheBudget() {
		retryAll(this.engine, 5, MEGABYTE);
		for (int i = 0; i < 5; i++) {
			sendLarge(this.engine, MEGABYTE);
		}
		assertThat(size(claim(this.engine, 100, 2 * MEGABYTE))).isBetween(MEGABYTE, 4 * MEGABYTE);
	}

	private void retryAll(TestEngine of, int count, int bytes) {
		for (int i = 0; i < count; i++) {
			sendLarge(of, bytes);
		}
		Claim claim = claim(of, 100, Long.MAX_VALUE);
		List<Failure> failures = TestEngine.ids(claim)
			.stream()
			.map((id) -> TestEngine.failure(of.lastLease(), id, 0, true))
			.toList();
		assertThat(of.leases.retry(of.worker, failures)).isEmpty();
	}

	/**
	 * As if the retries had been due for a while, because everybody was busy.
	 */
	private static void makeOverdue(TestEngine of) {
		of.jdbc()
			.sql("UPDATE pgqueue.retry SET due_at = due_at - interval '1 minute' WHERE subscription_id = ?")
			.param(of.queue.subscriptionId())
			.update();
	}

	private static Claim claim(TestEngine of, int limit, long bytes) {
		return of.leases.claim(of.request(of.worker, limit, bytes, OffsetDateTime.MIN));
	}

	/**
	 * Sends a JSON string of a number of bytes without transferring it.
	 */
	private long sendLarge(TestEngine of, int bytes) {
		try (Session session = new Session(this.database.directDataSource())) {
			return session.jdbc()
				.sql(of.sql("SELECT * FROM $.send_batch(?, ARRAY['\"' || repeat('x', ? - 2) || '\"'], ARRAY[NULL])"))
				.params(of.queue.name(), bytes)
				.query(Long.class)
				.single();
		}
	}

	private static int size(Claim claim) {
		return claim.messages().stream().mapToInt((message) -> message.payload().length()).sum();
	}

}
