package io.pgqueue.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The statements inside the functions use the indexes that they were written for,
 * whatever the statistics say (review B6).
 */
@PgQueueDatabase
class PlanIntegrationTests {

	private static final Pattern READS_ALL = Pattern
		.compile("Seq Scan on (message|lease|cursor|retry|dead_letter|pulled|scheduled)|Bitmap Heap Scan on message");

	private static final Pattern READS_OTHER_ROWS = Pattern
		.compile("on dead_letter[^\\n]*\\n\\s*(Index Cond: [^\\n]*\\n\\s*)?Filter:|Filter: \\(n = ANY");

	private static final Pattern SORTS_THE_LOG = Pattern
		.compile("Sort  [^\\n]*\\n\\s*Sort Key:[^\\n]*\\n\\s*->  (Append|[A-Z][^\\n]* on message)");

	private final TestDatabase database;

	private TestEngine engine;

	private Session session;

	private int number = 1;

	PlanIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
		this.session = new Session(database.directDataSource());
	}

	@BeforeEach
	void empty() {
		this.session.execute("DROP SCHEMA pgqueue CASCADE");
		this.engine = TestEngine.of(this.database);
		Explained.reportPlans(this.session);
	}

	@AfterEach
	void close() {
		this.session.close();
	}

	@Test
	void onEmptyTablesThatWereNeverAnalyzed() {
		assertThat(plansThatReadAll()).isEmpty();
	}

	@Test
	void onEmptyTablesThatWereAnalyzed() {
		this.session.execute("ANALYZE");
		assertThat(plansThatReadAll()).isEmpty();
	}

	@Test
	void onFullTablesThatWereNeverAnalyzed() {
		fill(50_000);
		assertThat(plansThatReadAll()).isEmpty();
	}

	@Test
	void onFullTablesThatWereAnalyzed() {
		fill(50_000);
		this.session.execute("ANALYZE");
		assertThat(plansThatReadAll()).isEmpty();
	}

	@Test
	void onTablesThatWereFilledAfterThePlansWereCached() {
		plansOfEveryTransition();
		fill(50_000);
		assertThat(plansThatReadAll()).isEmpty();
	}

	@Test
	@Tag("long")
	void onAMillionMessages() {
		fill(1_000_000);
		assertThat(plansThatReadAll()).isEmpty();
		this.session.execute("ANALYZE");
		assertThat(plansThatReadAll()).isEmpty();
	}

	@Test
	void everyPageOfTheLogIsReadInTheOrderOfTheIndexWithoutSortingIt() {
		fill(50_000);
		this.session.execute("ANALYZE");
		List<String> pages = plansOfEveryTransition().stream().filter((plan) -> plan.contains("WITH picked")).toList();
		assertThat(pages).isNotEmpty().allSatisfy((plan) -> {
			assertThat(plan).contains("Index Scan using message_0_pkey on message_0", "Merge Append")
				.contains("ROW(xid, id) > ROW(");
			assertThat(SORTS_THE_LOG.matcher(plan).find()).isFalse();
		});
	}

	@Test
	void withoutItsSettingsAFunctionWouldReadWholeTables() {
		fill(2_000);
		this.session.execute("ANALYZE");
		for (String function : List.of("retry(bigint,bigint[],bigint[],bigint[],integer[],text[],text[])",
				"take_from_leases(bigint,bigint[],bigint[])", "take_from_log(bigint,bigint[],bigint[])",
				"claim_retries(bigint,bigint,integer,integer,bigint,timestamptz,timestamptz)")) {
			this.session.execute("ALTER FUNCTION pgqueue." + function + " RESET ALL");
		}
		assertThat(plansThatReadAll()).isNotEmpty();
	}

	private List<String> plansThatReadAll() {
		return plansOfEveryTransition().stream().filter((plan) -> READS_ALL.matcher(plan).find()).toList();
	}

	private List<String> plansOfEveryTransition() {
		List<String> plans = new ArrayList<>();
		String worker = String.valueOf(this.engine.worker);
		long[] ids = this.engine.send(6);
		plans.addAll(explain(claim()));
		int first = this.number;
		plans.addAll(plansOfWhatIsNotDueOrNotForEver());
		plans.addAll(explain("retry(" + worker + ", ARRAY[" + first + ", " + first + "], ARRAY[" + ids[0] + ", "
				+ ids[1] + "], ARRAY[0, 0], ARRAY[1, 1], ARRAY['', ''], ARRAY['', ''])"));
		plans.addAll(explain("bury(" + worker + ", ARRAY[" + first + ", " + first + "], ARRAY[" + ids[2] + ", " + ids[5]
				+ "], ARRAY[1, 1], ARRAY['', ''], ARRAY['', ''], ARRAY['', ''], ARRAY['', ''])"));
		plans.addAll(explain(claim()));
		int second = this.number;
		plans.addAll(explain("settle_alone(" + worker + ", '{}', ARRAY[" + first + "], ARRAY[" + ids[3] + "], ARRAY["
				+ second + "], ARRAY[" + ids[0] + "])"));
		plans.addAll(explain("settle_alone(" + worker + ", ARRAY[" + first + "], '{}', '{}', '{}', '{}')"));
		plans.addAll(explain("beat(" + worker + ")"));
		plans.addAll(explain(lookAround("'-infinity'")));
		plans.addAll(explain(lookAround("now() - interval '10 s'")));
		this.engine.send(2);
		plans.addAll(explain(claim()));
		plans.addAll(explain("reconcile(" + worker + ", 1, 1000000, ARRAY[" + this.number + "])"));
		this.engine.declareDead(this.engine.worker);
		plans.addAll(explain("recover(" + worker + ", 20)"));
		plans.addAll(plansOfDeadLetters(ids[2], ids[5]));
		this.engine.jdbc().sql("UPDATE pgqueue.worker SET dead_at = NULL").update();
		plans.addAll(plansOfPulls());
		plans.addAll(explain(claim()));
		assertThat(plans).anyMatch((plan) -> plan.contains("message_0_pkey"))
			.noneMatch((plan) -> READS_OTHER_ROWS.matcher(plan).find());
		return plans;
	}

	private List<String> plansOfDeadLetters(long one, long other) {
		List<String> plans = new ArrayList<>();
		int subscription = this.engine.queue.subscriptionId();
		for (String errorClass : List.of("NULL", "''")) {
			plans.addAll(explain(
					"dead_letters(ARRAY[" + subscription + "], " + errorClass + ", '-infinity', 'infinity', 0, 10)"));
			plans.addAll(explain("dead_letter_batch(" + subscription + ", " + errorClass
					+ ", '-infinity', 0, 'infinity', 500, 1000000)"));
		}
		plans.addAll(explain("dead_letter(" + subscription + ", " + one + ")"));
		plans
			.addAll(explain("redrive(" + subscription + ", ARRAY[" + one + "], ARRAY[" + deadAt(one) + "], ARRAY[0])"));
		plans.addAll(explain("discard(" + subscription + ", ARRAY[" + other + "], ARRAY[" + deadAt(other) + "])"));
		plans.addAll(explain("expire_dead_letters(0, '-infinity', 1, 100)"));
		assertThat(plans).anyMatch((plan) -> plan.contains("dead_letter_recent"))
			.anyMatch((plan) -> plan.contains("dead_letter_error"))
			.anyMatch((plan) -> plan.contains("dead_letter_pkey"));
		return plans;
	}

	private String deadAt(long id) {
		return this.engine.jdbc()
			.sql("SELECT quote_literal(dead_at) || '::timestamptz' FROM pgqueue.dead_letter "
					+ "WHERE subscription_id = ? AND id = ?")
			.params(this.engine.queue.subscriptionId(), id)
			.query(String.class)
			.single();
	}

	private List<String> plansOfPulls() {
		List<String> plans = new ArrayList<>();
		long[] ids = this.engine.send(2);
		String receiver = String.valueOf(new Pulls(this.engine.database).register("test"));
		plans.addAll(explain("receive(" + receiver + ", 1, '" + this.engine.queue.name()
				+ "', 10, 1000000, 60000, '-infinity', '-infinity')"));
		plans.addAll(explain("extend(" + receiver + ", 2, " + ids[0] + ", false, 60000)"));
		plans.addAll(explain("extend(" + receiver + ", 1, " + ids[0] + ", true, 60000)"));
		this.engine.jdbc()
			.sql("UPDATE pgqueue.pulled SET look_at = clock_timestamp(), held_until = clock_timestamp()")
			.update();
		plans.addAll(explain("return_overdue(NULL, 1000, '-infinity')"));
		return plans;
	}

	/**
	 * Also claims messages that are passed over, so that the statements for them run.
	 */
	private List<String> plansOfWhatIsNotDueOrNotForEver() {
		List<String> plans = new ArrayList<>();
		String queue = "'" + this.engine.queue.name() + "'";
		plans.addAll(explain("send_timed(" + queue + ", ARRAY['1'], ARRAY[NULL], NULL, 3600000000, NULL)"));
		plans.addAll(explain("send_timed(" + queue + ", ARRAY['1'], ARRAY[NULL], NULL, NULL, 1)"));
		this.session
			.execute("UPDATE pgqueue.scheduled SET due_at = now() WHERE id = (SELECT max(id) FROM pgqueue.scheduled)");
		plans.addAll(explain("promote(500, now() - interval '10 s')"));
		plans.addAll(explain("promote(500, '-infinity')"));
		long id = this.engine.send();
		plans.addAll(explain("cancel_unsent(" + queue + ", " + id + ")"));
		plans.addAll(explain("take_out(" + queue + ", " + id + ", 1000)"));
		plans.addAll(explain("cancel_waiting(" + queue + ", " + id + ")"));
		plans.addAll(explain("take_cancel_requests(" + this.engine.worker + ")"));
		plans.addAll(explain("drop_cancelled(" + this.engine.worker + ")"));
		plans.addAll(explain("settle_one(" + this.engine.worker + ", 1)"));
		plans.addAll(explain(claim().replace(", '-infinity')", ", '-infinity', true)")));
		return plans;
	}

	private String lookAround(String from) {
		return "look_around(0, ARRAY[" + this.engine.queue.queueId() + "], ARRAY[" + this.engine.queue.subscriptionId()
				+ "], " + from + ")";
	}

	private String claim() {
		return "claim(" + this.engine.worker + ", " + ++this.number + ", " + this.engine.queue.queueId() + ", "
				+ this.engine.queue.subscriptionId() + ", 1000, 1000000, '-infinity')";
	}

	private List<String> explain(String call) {
		return Explained.plans(this.session, "SELECT * FROM pgqueue." + call);
	}

	/**
	 * Makes a log of which most is consumed, and many leases, retries and cursor rows of
	 * another queue.
	 */
	private void fill(int messages) {
		this.session.execute("SET client_min_messages = warning");
		for (int left = messages; left > 0; left -= 100_000) {
			this.engine.sendMany(this.session, Math.min(left, 100_000));
		}
		this.session.execute("SELECT count(*) FROM pgqueue.claim(" + this.engine.worker + ", " + ++this.number + ", "
				+ this.engine.queue.queueId() + ", " + this.engine.queue.subscriptionId()
				+ ", 10000000, 10000000000, '-infinity')");
		this.session.execute("DELETE FROM pgqueue.lease");
		this.session.execute("INSERT INTO pgqueue.lease (worker_id, n, subscription_id, queue_id, lane, xids, ids) "
				+ "SELECT 999999, n, 999999, 999999, 0, '{1}', '{1}' FROM generate_series(1, 5000) n");
		this.session.execute("INSERT INTO pgqueue.cursor (subscription_id, lane, seq, base) "
				+ "SELECT 999999, 0, n, '1:1:' FROM generate_series(1, 5000) n");
		this.session.execute("INSERT INTO pgqueue.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, "
				+ "worker_id, n, enqueued_at, payload) SELECT 999999, n, 999999, 0, 1, 1, now(), "
				+ "CASE WHEN n % 2 = 0 THEN 999999 END, CASE WHEN n % 2 = 0 THEN n END, now(), '1' "
				+ "FROM generate_series(1, 10000) n");
		this.session.execute("INSERT INTO pgqueue.dead_letter (subscription_id, id, queue_id, lane, size, attempts, "
				+ "redrives, enqueued_at, dead_at, error_class, payload) SELECT 999990 + n % 3, n, 999999, 0, 1, 1, 0, "
				+ "now(), now() + n * interval '1 s', 'error-' || n % 7, '1' FROM generate_series(1, 20000) n");
		this.session
			.execute("INSERT INTO pgqueue.pulled (subscription_id, look_at, worker_id, n, last_n, id, pulled_at, "
					+ "held_until) SELECT 999999, now(), 999999, n, n, n % 2, now(), now() FROM generate_series(1, 5000) n");
		this.session.execute("INSERT INTO pgqueue.scheduled (queue_id, due_at, enqueued_at, size, payload) "
				+ "SELECT 999999, now() + interval '1 day', now(), 1, '1' FROM generate_series(1, 10000) n");
		this.session.execute("SET client_min_messages = notice");
	}

}
