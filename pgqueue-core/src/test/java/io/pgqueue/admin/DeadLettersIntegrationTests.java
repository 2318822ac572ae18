package io.pgqueue.admin;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.Queue;
import io.pgqueue.UnknownQueueException;
import io.pgqueue.listener.TestApplication;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

/**
 * Filters, pages, single dead letters and work by filter, on dead letters that the test
 * has written itself.
 */
@PgQueueDatabase
class DeadLettersIntegrationTests {

	private static final Instant NOON = Instant.parse("2026-11-20T12:00:00Z");

	private final TestDatabase database;

	private final QueueAdmin admin;

	private final String queue = TestApplication.uniqueQueue();

	private long lastId = 1_000_000;

	DeadLettersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.admin = new QueueAdmin(database.dataSource(), TestDatabase.SCHEMA);
		this.admin.declare(new Queue(this.queue));
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@Test
	void aFilterTakesQueueSubscriptionErrorClassAndTime() {
		String other = TestApplication.uniqueQueue();
		this.admin.declare(new Queue(other));
		subscribe("audit");
		long one = insert(this.queue, "default", "a.A", NOON);
		long two = insert(this.queue, "default", "a.B", NOON.plusSeconds(1));
		long three = insert(this.queue, "audit", "a.A", NOON.plusSeconds(2));
		long four = insert(this.queue, "default", null, NOON.plusSeconds(3));
		long five = insert(other, "default", "a.A", NOON.plusSeconds(4));
		DeadLetterFilter ours = DeadLetterFilter.ofQueue(this.queue);
		assertThat(ids(ours)).containsExactly(four, three, two, one);
		assertThat(ids(ours.withErrorClass("a.A"))).containsExactly(three, one);
		assertThat(ids(ours.withErrorClass("a"))).isEmpty();
		assertThat(ids(ours.withSubscription("audit"))).containsExactly(three);
		assertThat(ids(ours.withSubscription("default").withErrorClass("a.A"))).containsExactly(one);
		assertThat(ids(ours.withTime(NOON.plusSeconds(1), NOON.plusSeconds(3)))).containsExactly(three, two);
		assertThat(ids(ours.withTime(NOON.plusSeconds(2), null))).containsExactly(four, three);
		assertThat(ids(ours.withTime(null, NOON.plusSeconds(1)))).containsExactly(one);
		assertThat(ids(ours.withErrorClass("a.A").withTime(NOON.plusSeconds(1), null))).containsExactly(three);
		assertThat(ids(DeadLetterFilter.all().withErrorClass("a.A").withTime(NOON, NOON.plusSeconds(10))))
			.contains(five, three, one)
			.doesNotContain(two, four);
		assertThat(this.admin.deadLetters(ours, null, 10)).extracting(DeadLetter::subscription)
			.containsExactly("default", "audit", "default", "default");
	}

	@Test
	void redriveAndDiscardTakeTheSameFilters() {
		subscribe("audit");
		long one = insert(this.queue, "default", "a.A", NOON);
		long two = insert(this.queue, "audit", "a.A", NOON.plusSeconds(1));
		long three = insert(this.queue, "default", "a.B", NOON.plusSeconds(2));
		long four = insert(this.queue, "default", "a.A", NOON.plusSeconds(3));
		DeadLetterFilter ours = DeadLetterFilter.ofQueue(this.queue);
		DeadLetterFilter early = ours.withErrorClass("a.A").withTime(null, NOON.plusSeconds(3));
		assertThat(this.admin.discard(early.withSubscription("audit"))).isOne();
		assertThat(ids(ours)).containsExactly(four, three, one);
		assertThat(this.admin.redrive(early)).isOne();
		assertThat(ids(ours)).containsExactly(four, three);
		assertThat(this.admin.redrive(early)).isZero();
		assertThat(this.admin.redrive(ours.withTime(NOON.plusSeconds(3), null))).isOne();
		assertThat(this.admin.discard(ours)).isOne();
		assertThat(ids(ours)).isEmpty();
		assertThat(retried()).containsExactly(one, four);
		assertThat(two).isPositive();
	}

	@Test
	void pagesFollowEachOtherWhateverIsRedrivenBetweenThem() {
		List<Long> expected = new ArrayList<>();
		for (int i = 0; i < 25; i++) {
			// Many died at the same time.
			expected.add(0, insert(this.queue, "default", "a.A", NOON.plusSeconds(i / 4)));
		}
		DeadLetterFilter ours = DeadLetterFilter.ofQueue(this.queue);
		List<Long> listed = new ArrayList<>();
		DeadLetterKey last = null;
		List<DeadLetter> page;
		do {
			page = this.admin.deadLetters(ours, last, 7);
			page.forEach((letter) -> listed.add(letter.id()));
			last = page.get(page.size() - 1).key();
			assertThat(this.admin.redrive(last)).isTrue();
		}
		while (page.size() == 7);
		assertThat(listed).isEqualTo(expected);
	}

	@Test
	void aPageStaysWithinTheTimeOfTheFilter() {
		insert(this.queue, "default", "a.A", NOON);
		long two = insert(this.queue, "default", "a.A", NOON.plusSeconds(1));
		insert(this.queue, "default", "a.A", NOON.plusSeconds(2));
		DeadLetterFilter filter = DeadLetterFilter.ofQueue(this.queue)
			.withTime(NOON.plusSeconds(1), NOON.plusSeconds(2));
		DeadLetterKey later = new DeadLetterKey(this.queue, "default", 1, NOON.plusSeconds(10));
		assertThat(this.admin.deadLetters(filter, later, 10)).extracting(DeadLetter::id).containsExactly(two);
		assertThat(this.admin.deadLetters(filter, this.admin.deadLetters(filter, null, 10).get(0).key(), 10)).isEmpty();
	}

	@Test
	void oneIsReadWithPayloadAndHeadersWhichItsTextDoesNotShow() {
		long id = insert(this.queue, "default", "a.A", NOON);
		DeadLetterContent content = this.admin.deadLetter(this.queue, "default", id);
		assertThat(content.letter()).isEqualTo(this.admin.deadLetters(this.queue, 1).get(0));
		assertThat(content.payload()).isEqualTo("{\"secret\":  1}");
		assertThat(content.headers()).isEqualTo("{\"h\" : \"\\u0000secret\"}");
		assertThat(content.errorStack()).isEqualTo("at a.A");
		assertThat(content.toString()).contains(this.queue).doesNotContain("secret");
		assertThat(this.admin.deadLetter(this.queue, "default", id + 1)).isNull();
	}

	@Test
	void aKeyOfAMessageThatIsNoDeadLetterDoesNothing() {
		DeadLetterKey key = new DeadLetterKey(this.queue, "default", 7, NOON);
		assertThat(this.admin.redrive(key)).isFalse();
		assertThat(this.admin.discard(key)).isFalse();
		insert(this.queue, "default", "a.A", NOON);
		DeadLetterKey known = this.admin.deadLetters(this.queue, 1).get(0).key();
		assertThat(this.admin.discard(new DeadLetterKey(this.queue, "default", known.id(), NOON.plusNanos(1_000))))
			.isFalse();
		assertThat(this.admin.discard(known)).isTrue();
		assertThat(this.admin.discard(known)).isFalse();
		assertThat(this.admin.redrive(known)).isFalse();
		assertThat(retried()).isEmpty();
	}

	@Test
	void moreThanOneBatchIsRedrivenInTheOrderOfDeathAndAtTheRate() {
		insertMany(1_200);
		assertThat(this.admin.redrive(DeadLetterFilter.ofQueue(this.queue).withErrorClass("a.Even"), 100))
			.isEqualTo(600);
		List<Double> seconds = this.database.jdbc()
			.sql("SELECT extract(epoch FROM due_at - min(due_at) OVER ()) FROM pgqueue.retry "
					+ "WHERE queue_id = (SELECT id FROM pgqueue.queue WHERE name = ?) ORDER BY id")
			.param(this.queue)
			.query(Double.class)
			.list();
		assertThat(seconds).hasSize(600);
		for (int i = 0; i < seconds.size(); i++) {
			// The clocks are read once per message, some time after the batch was paced.
			assertThat(seconds.get(i)).isBetween(i / 100.0 - 0.5, i / 100.0 + 0.5);
		}
		assertThat(this.admin.deadLetters(this.queue, 10_000)).hasSize(600)
			.allMatch((letter) -> letter.errorClass().equals("a.Odd"));
	}

	@Test
	void withoutARateAllAreDueAtOnce() {
		insertMany(1_001);
		assertThat(this.admin.redrive(DeadLetterFilter.ofQueue(this.queue))).isEqualTo(1_001);
		assertThat(retried()).hasSize(1_001);
		assertThat(this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue.retry WHERE due_at > clock_timestamp() "
					+ "AND queue_id = (SELECT id FROM pgqueue.queue WHERE name = ?)")
			.param(this.queue)
			.query(Long.class)
			.single()).isZero();
	}

	@Test
	void moreThanOneBatchIsDiscarded() {
		insertMany(1_100);
		assertThat(this.admin.discard(DeadLetterFilter.ofQueue(this.queue).withErrorClass("a.Odd"))).isEqualTo(550);
		assertThat(this.admin.discard(DeadLetterFilter.ofQueue(this.queue))).isEqualTo(550);
		assertThat(retried()).isEmpty();
	}

	@Test
	void workByFilterLeavesAloneWhatDiesAfterItWasBegun() {
		Instant later = Instant.now().plus(Duration.ofHours(1)).truncatedTo(ChronoUnit.MICROS);
		long id = insert(this.queue, "default", "a.A", later);
		for (DeadLetterFilter filter : List.of(DeadLetterFilter.ofQueue(this.queue),
				DeadLetterFilter.ofQueue(this.queue).withTime(null, later.plusSeconds(1)))) {
			assertThat(this.admin.redrive(filter)).isZero();
			assertThat(this.admin.discard(filter)).isZero();
		}
		assertThat(ids(DeadLetterFilter.ofQueue(this.queue))).containsExactly(id);
	}

	@Test
	void aTransactionOfTheCallerTakesNothingBack() {
		insert(this.queue, "default", "a.A", NOON);
		insert(this.queue, "default", "a.B", NOON.plusSeconds(1));
		TransactionTemplate transaction = new TransactionTemplate(
				new JdbcTransactionManager(this.database.dataSource()));
		transaction.executeWithoutResult((status) -> {
			assertThat(this.admin.redrive(DeadLetterFilter.ofQueue(this.queue).withErrorClass("a.A"))).isOne();
			assertThat(this.admin.discard(DeadLetterFilter.ofQueue(this.queue))).isOne();
			status.setRollbackOnly();
		});
		assertThat(this.admin.deadLetters(this.queue, 10)).isEmpty();
		assertThat(retried()).hasSize(1);
	}

	@Test
	void anUnknownQueueIsNamedWithTheNearestMatch() {
		String wrong = this.queue + "x";
		List<Consumer<QueueAdmin>> calls = List.of((admin) -> admin.deadLetters(wrong, 1),
				(admin) -> admin.deadLetters(DeadLetterFilter.ofQueue(wrong), null, 1),
				(admin) -> admin.deadLetter(wrong, "default", 1),
				(admin) -> admin.redrive(new DeadLetterKey(wrong, "default", 1, NOON)),
				(admin) -> admin.redrive(DeadLetterFilter.ofQueue(wrong)),
				(admin) -> admin.redrive(DeadLetterFilter.ofQueue(wrong), 1),
				(admin) -> admin.discard(new DeadLetterKey(wrong, "default", 1, NOON)),
				(admin) -> admin.discard(DeadLetterFilter.ofQueue(wrong)));
		assertThat(calls).allSatisfy((call) -> assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> call.accept(this.admin))
			.withMessageStartingWith("Queue '" + wrong + "' does not exist; did you mean 'queue-"));
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.admin.deadLetters("nothing-of-the-kind-exists", 1))
			.withMessage("Queue 'nothing-of-the-kind-exists' does not exist. QueueAdmin#queues() lists those that do");
	}

	@Test
	void anUnknownSubscriptionIsNamedWithTheNearestMatch() {
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.admin.deadLetter(this.queue, "defualt", 1))
			.withMessage("Queue '" + this.queue + "' has no subscription 'defualt'; did you mean 'default'?");
		assertThatExceptionOfType(UnknownQueueException.class)
			.isThrownBy(() -> this.admin.redrive(DeadLetterFilter.ofQueue(this.queue).withSubscription("x")))
			.withMessage("Queue '" + this.queue + "' has no subscription 'x', but [default]");
		assertThat(this.admin.deadLetters(DeadLetterFilter.all().withSubscription("nobody-has-it"), null, 1)).isEmpty();
	}

	@ParameterizedTest
	@ValueSource(doubles = { 0, -1, 0.0001, Double.NaN, Double.NEGATIVE_INFINITY })
	void aRateThatMovesNothingIsRefused(double perSecond) {
		insert(this.queue, "default", "a.A", NOON);
		assertThatIllegalArgumentException()
			.isThrownBy(() -> this.admin.redrive(DeadLetterFilter.ofQueue(this.queue), perSecond))
			.withMessage("perSecond is " + perSecond + ", but must be at least 0.001 messages per second");
		assertThat(this.admin.deadLetters(this.queue, 1)).hasSize(1);
	}

	@Test
	void aFilterThatNothingCanPassIsRefused() {
		DeadLetterFilter filter = DeadLetterFilter.ofQueue(this.queue);
		assertThatIllegalArgumentException().isThrownBy(() -> filter.withTime(NOON, NOON))
			.withMessageContaining("must be before to");
		assertThatExceptionOfType(InvalidConfigurationException.class)
			.isThrownBy(() -> DeadLetterFilter.ofQueue("two words"));
	}

	private List<Long> ids(DeadLetterFilter filter) {
		return this.admin.deadLetters(filter, null, 100).stream().map(DeadLetter::id).toList();
	}

	private List<Long> retried() {
		return this.database.jdbc()
			.sql("SELECT id FROM pgqueue.retry WHERE queue_id = (SELECT id FROM pgqueue.queue WHERE name = ?) ORDER BY id")
			.param(this.queue)
			.query(Long.class)
			.list();
	}

	private void subscribe(String subscription) {
		this.database.jdbc()
			.sql("SELECT pgqueue.subscribe(q.id, ?, true) FROM pgqueue.queue q WHERE q.name = ?")
			.params(subscription, this.queue)
			.query()
			.singleRow();
	}

	private long insert(String target, String subscription, String errorClass, Instant deadAt) {
		long id = ++this.lastId;
		this.database.jdbc().sql("""
				INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives,
					enqueued_at, dead_at, reason, error_class, error_message, error_stack, worker, headers, payload)
				SELECT s.id, ?, q.id, 0, 20, 5, 0, now(), ?::timestamptz, 'reason', ?, 'message', 'at a.A', 'worker',
					'{"h" : "\\u0000secret"}', '{"secret":  1}'
				FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id WHERE q.name = ? AND s.name = ?
				""").params(id, deadAt.toString(), errorClass, target, subscription).update();
		return id;
	}

	/**
	 * Writes dead letters of two error classes in turns.
	 */
	private void insertMany(int count) {
		List<Long> ids = IntStream.range(0, count).mapToObj((i) -> ++this.lastId).toList();
		this.database.jdbc().sql("""
				INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives,
					enqueued_at, dead_at, error_class, payload)
				SELECT s.id, g.id, q.id, 0, 1, 5, 0, now(), now() - interval '1 h' + g.id * interval '1 us',
					CASE WHEN g.id % 2 = 0 THEN 'a.Even' ELSE 'a.Odd' END, '1'
				FROM pgqueue.queue q JOIN pgqueue.subscription s ON s.queue_id = q.id
				CROSS JOIN generate_series(?, ?) AS g (id) WHERE q.name = ?
				""").params(ids.get(0), ids.get(ids.size() - 1), this.queue).update();
	}

}
