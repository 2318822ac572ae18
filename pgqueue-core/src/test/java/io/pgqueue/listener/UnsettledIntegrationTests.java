package io.pgqueue.listener;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

import io.pgqueue.Verdict;
import io.pgqueue.engine.ClaimedMessage;
import io.pgqueue.engine.Database;
import io.pgqueue.engine.Leases;
import io.pgqueue.engine.Leases.ClaimRequest;
import io.pgqueue.engine.Queues;
import io.pgqueue.engine.Queues.DeclaredQueue;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import io.pgqueue.worker.Incarnation;
import io.pgqueue.worker.QueueWorker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

@PgQueueDatabase
class UnsettledIntegrationTests {

	private static final Verdict COMPLETE = new Verdict.Complete();

	private static final Verdict RETRY = new Verdict.Retry(Duration.ZERO, true);

	private static final Verdict RELEASE = new Verdict.Retry(Duration.ZERO, false);

	private static final Verdict DEAD = new Verdict.DeadLetter("given up");

	private final TestDatabase database;

	private final ContainerOptions options;

	private final DeclaredQueue queue;

	private final Leases leases;

	private final QueueWorker worker;

	private final RecordedEvents events = new RecordedEvents();

	private final WakeUp wakeUp = new WakeUp();

	private final WakeUps wakeUps = new WakeUps();

	private Incarnation incarnation;

	private Unsettled unsettled;

	UnsettledIntegrationTests(TestDatabase database) {
		this.database = database;
		Database access = new Database(database.dataSource(), TestDatabase.SCHEMA);
		this.options = TestApplication.options(TestApplication.uniqueQueue()).build();
		this.queue = new Queues(access).declare(this.options.queue());
		this.leases = new Leases(access);
		this.worker = new QueueWorker(database.directDataSource(), TestDatabase.SCHEMA, "test", Duration.ofSeconds(30),
				Duration.ofSeconds(10), this.wakeUps, null);
		this.wakeUps.add(this.options.queue(), 1, 1, this.wakeUp);
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@BeforeEach
	void register() throws InterruptedException {
		this.worker.start();
		this.incarnation = this.worker.await(Duration.ofSeconds(20));
		this.unsettled = new Unsettled(this.incarnation, this.leases, this.events, this.wakeUps);
	}

	@AfterEach
	void signOff() {
		this.worker.stop();
	}

	@Test
	void aLeaseIsDeletedAsAWholeWhenItsLastMessageIsDone() {
		List<Delivery> claimed = claim(3);
		add(claimed.get(2), COMPLETE, 0);
		add(claimed.get(0), COMPLETE, 0);
		write(-1);
		assertThat(leased()).containsExactly(3);
		assertThat(this.events.completed(this.options.queue())).isZero();
		assertThat(this.unsettled.isEmpty()).isFalse();
		add(claimed.get(1), COMPLETE, 0);
		write(-1);
		assertThat(leased()).isEmpty();
		assertThat(this.events.completed(this.options.queue())).isEqualTo(3);
		assertThat(this.unsettled.isEmpty()).isTrue();
	}

	@Test
	void whatHasWaitedForTooLongIsTakenOutOfItsLease() {
		List<Delivery> claimed = claim(4);
		add(claimed.get(0), COMPLETE, 100);
		add(claimed.get(1), COMPLETE, 200);
		write(99);
		assertThat(leased()).containsExactly(4);
		write(100);
		assertThat(leased()).containsExactly(2);
		assertThat(this.events.completed(this.options.queue())).isEqualTo(2);
		add(claimed.get(2), COMPLETE, 300);
		write(250);
		assertThat(leased()).containsExactly(2);
		add(claimed.get(3), COMPLETE, 400);
		write(250);
		assertThat(leased()).isEmpty();
		assertThat(this.events.completed(this.options.queue())).isEqualTo(4);
	}

	@Test
	void everyVerdictFindsItsPlace() throws InterruptedException {
		List<Delivery> claimed = claim(4);
		add(claimed.get(0), DEAD, 0);
		add(claimed.get(1), RETRY, 0);
		add(claimed.get(2), COMPLETE, 0);
		add(claimed.get(3), RELEASE, 0);
		write(-1);
		assertThat(leased()).isEmpty();
		assertThat(this.unsettled.isEmpty()).isTrue();
		assertThat(deadLetters()).isEqualTo(1);
		assertThat(this.events.deadLettered(this.options.queue())).isEqualTo(1);
		assertThat(this.wakeUp.await(Duration.ZERO)).as("retries wake the container").isTrue();
		assertThat(claim(0, 10)).extracting((delivery) -> delivery.message().attempt()).containsExactlyInAnyOrder(2, 1);
	}

	@Test
	void aLeaseWithoutAnythingButFailuresIsGoneAfterThem() {
		List<Delivery> claimed = claim(2);
		add(claimed.get(0), RETRY, 0);
		write(0);
		assertThat(leased()).containsExactly(1);
		add(claimed.get(1), DEAD, 0);
		write(0);
		assertThat(leased()).isEmpty();
	}

	@Test
	void redeliveredMessagesAreSettledOneByOne() {
		claim(3).forEach((delivery) -> add(delivery, RETRY, 0));
		write(0);
		List<Delivery> again = claim(0, 10);
		assertThat(again).hasSize(3).allMatch((delivery) -> delivery.message().redelivered());
		add(again.get(0), COMPLETE, 0);
		add(again.get(1), RETRY, 0);
		write(-1);
		assertThat(this.events.completed(this.options.queue())).isEqualTo(1);
		assertThat(rows("retry")).isEqualTo(2);
		add(again.get(2), DEAD, 0);
		write(-1);
		assertThat(deadLetters()).isEqualTo(1);
		assertThat(claim(0, 10)).extracting((delivery) -> delivery.message().attempt()).containsExactly(3);
	}

	@Test
	void whatIsNoLongerHeldIsReportedAsLostAndNotAsDone() {
		List<Delivery> whole = claim(2);
		List<Delivery> part = claim(2);
		List<Delivery> failed = claim(1);
		List<Delivery> dead = claim(1);
		this.database.jdbc().sql("DELETE FROM pgqueue.lease").update();
		whole.forEach((delivery) -> add(delivery, COMPLETE, 0));
		add(part.get(0), COMPLETE, 0);
		add(failed.get(0), RETRY, 0);
		add(dead.get(0), DEAD, 0);
		write(0);
		assertThat(this.events.leaseLost(this.options.queue())).isEqualTo(5);
		assertThat(this.events.completed(this.options.queue())).isZero();
		assertThat(this.events.deadLettered(this.options.queue())).isZero();
		assertThat(rows("retry")).isZero();
		assertThat(this.unsettled.isEmpty()).isTrue();
	}

	private List<Delivery> claim(int count) {
		return claim(count, count);
	}

	private List<Delivery> claim(int send, int limit) {
		TestApplication.on(this.database)
			.queues()
			.sendAll(this.options.queue(), IntStream.range(0, send).mapToObj(String::valueOf).toList());
		long number = this.incarnation.nextLeases(1);
		List<ClaimedMessage> messages = this.leases
			.claim(new ClaimRequest(this.incarnation.worker(), number, this.queue.queueId(),
					this.queue.subscriptionId(), limit, 1_000_000, OffsetDateTime.MIN, false, false))
			.messages();
		this.incarnation.claimed(number, 1, messages);
		Lease lease = new Lease(this.incarnation, number,
				(int) messages.stream().filter((message) -> !message.redelivered()).count());
		List<Delivery> deliveries = new ArrayList<>();
		messages.forEach((message) -> deliveries.add(new Delivery(message, lease, this.options)));
		assertThat(deliveries).hasSizeGreaterThanOrEqualTo(send);
		return deliveries;
	}

	private void add(Delivery delivery, Verdict verdict, long now) {
		Throwable failure = (verdict == COMPLETE) ? null : new IllegalStateException("failed");
		this.unsettled.add(new Outcome(delivery, verdict, failure), now);
	}

	private void write(long waitedSince) {
		this.unsettled.write(waitedSince);
	}

	private List<Integer> leased() {
		return this.database.jdbc()
			.sql("SELECT cardinality(ids) FROM pgqueue.lease WHERE queue_id = ? ORDER BY n")
			.param(this.queue.queueId())
			.query(Integer.class)
			.list();
	}

	private int deadLetters() {
		return rows("dead_letter");
	}

	private int rows(String table) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table + " WHERE queue_id = ?")
			.param(this.queue.queueId())
			.query(Integer.class)
			.single();
	}

}
