package io.pgqueue.engine;

import java.util.List;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Rules that the definitions in the schema must keep, read from the system's catalogs.
 */
@PgQueueDatabase
class CatalogIntegrationTests {

	private static final String FUNCTIONS = " FROM pg_proc p WHERE p.pronamespace = 'pgqueue'::regnamespace";

	/**
	 * Servers before 18 have 16 cheap slots; what is beyond them goes through a table
	 * that all backends share.
	 */
	private static final int MOST_RELATION_LOCKS = 23;

	private final TestDatabase database;

	private final TestEngine engine;

	CatalogIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@Test
	void everyFunctionIsVolatileBecauseOthersReadWithASnapshotOlderThanTheirLocks() {
		assertThat(names("SELECT p.proname" + FUNCTIONS)).contains("claim", "claim_log", "take_from_log", "send_batch");
		assertThat(names("SELECT p.proname" + FUNCTIONS + " AND p.provolatile <> 'v'")).isEmpty();
	}

	@Test
	void aStableFunctionWouldBeFound() {
		try (Session session = Session.begin(this.database)) {
			session.execute("ALTER FUNCTION pgqueue.require_read_committed() STABLE");
			assertThat(session.jdbc()
				.sql("SELECT p.proname" + FUNCTIONS + " AND p.provolatile <> 'v'")
				.query(String.class)
				.list()).containsExactly("require_read_committed");
			session.rollback();
		}
	}

	@Test
	void everyFunctionIsPlpgsqlBecauseThatBindsLate() {
		assertThat(names("SELECT p.proname" + FUNCTIONS
				+ " AND p.prolang <> (SELECT l.oid FROM pg_language l WHERE l.lanname = 'plpgsql')"))
			.isEmpty();
	}

	@Test
	void everyFunctionOnAHotPathPlansGenericallyAndWithoutScansOfWholeTables() {
		assertThat(names("SELECT p.proname" + FUNCTIONS
				+ " AND p.proconfig @> ARRAY['plan_cache_mode=force_generic_plan', 'jit=off', 'enable_seqscan=off']"))
			.contains("send_batch", "claim", "claim_log", "claim_retries", "take_from_leases", "take_from_log",
					"settle", "retry", "bury", "recover", "reconcile", "send_timed", "promote", "cancel_unsent",
					"take_out", "cancel_waiting", "take_cancel_requests", "drop_cancelled", "settle_one",
					"bury_expired", "send", "look_around");
	}

	@Test
	void noFunctionSetsInItsHeaderWhatWouldBeUndoneBeforeTheCommit() {
		assertThat(names("SELECT p.proname" + FUNCTIONS + " AND p.proconfig::text LIKE '%synchronous_commit%'"))
			.isEmpty();
	}

	@Test
	void noFunctionRunsWithTheRightsOfItsOwner() {
		assertThat(names("SELECT p.proname" + FUNCTIONS + " AND p.prosecdef")).isEmpty();
	}

	@Test
	void everyFunctionThatTheJavaSideCallsExists() {
		assertThat(names("SELECT p.proname" + FUNCTIONS)).containsAll(EngineFunctions.SIGNATURES.stream()
			.map((signature) -> signature.substring(0, signature.indexOf('(')))
			.toList());
		for (String signature : EngineFunctions.SIGNATURES) {
			assertThat(this.engine.jdbc()
				.sql("SELECT to_regprocedure(?) IS NOT NULL")
				.param("pgqueue." + signature)
				.query(Boolean.class)
				.single()).as(signature).isTrue();
		}
	}

	@Test
	void noTableHasAForeignKeyBecauseItsLocksWouldStopClaims() {
		assertThat(names("SELECT conrelid::regclass::text FROM pg_constraint "
				+ "WHERE contype = 'f' AND connamespace = 'pgqueue'::regnamespace"))
			.isEmpty();
	}

	@Test
	void noTableHasATriggerOrARule() {
		assertThat(names("SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pgqueue'::regnamespace "
				+ "AND (c.relhastriggers OR c.relhasrules)"))
			.isEmpty();
	}

	@Test
	void everyTableThatHoldsRowsHasAPrimaryKey() {
		assertThat(names("SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pgqueue'::regnamespace "
				+ "AND c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"))
			.isEmpty();
	}

	@Test
	void theIdentitiesOfMessagesAreGivenOutOneByOneBecauseTheirOrderIsCausal() {
		assertThat(names("SELECT cache_size::text FROM pg_sequences WHERE schemaname = 'pgqueue' "
				+ "AND sequencename = 'message_id'"))
			.containsExactly("1");
	}

	@Test
	void ringSlotsAreLeftAloneByAutovacuumAndTheAtticIsNot() {
		assertThat(names("SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid "
				+ "WHERE h.inhparent = 'pgqueue.message'::regclass AND c.reloptions @> ARRAY['autovacuum_enabled=off']"))
			.containsExactlyInAnyOrder("message_0", "message_1", "message_2", "message_3");
	}

	@Test
	void aPublicationOfAllTablesStopsNoTransition() {
		try (Session session = new Session(this.database.directDataSource())) {
			session.execute("CREATE PUBLICATION everything FOR ALL TABLES");
			try {
				long[] ids = this.engine.send(5);
				this.engine.claim(10);
				long lease = this.engine.lastLease();
				this.engine.leases.settle(this.engine.worker, List.of(), List.of(new Leases.Held(lease, ids[0])),
						List.of());
				this.engine.leases.retry(this.engine.worker, List.of(TestEngine.failure(lease, ids[1], 0, true)));
				this.engine.leases.bury(this.engine.worker, List.of(TestEngine.failure(lease, ids[2], 0, true)));
				this.engine.claim(10);
				session.execute("UPDATE pgqueue.message SET slot = -1 WHERE id = " + ids[3]);
				session.execute("DELETE FROM pgqueue.message WHERE id = " + ids[0]);
				try (Workers workers = this.engine.workers()) {
					workers.beat(this.engine.worker);
					workers.signOff(this.engine.worker);
					assertThat(workers.recover(this.engine.worker)).isEqualTo(3);
				}
				session.execute("UPDATE pgqueue.ring SET current = current");
			}
			finally {
				session.execute("DROP PUBLICATION everything");
			}
		}
	}

	@Test
	void aClaimTakesNotTooManyLocks() {
		this.engine.send(3);
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT pgqueue.claim(" + this.engine.worker + ", 900, " + this.engine.queue.queueId()
					+ ", " + this.engine.queue.subscriptionId() + ", 10, 1000000, '-infinity')");
			List<String> locked = this.engine.jdbc()
				.sql("SELECT relation::regclass::text FROM pg_locks WHERE pid = ? AND locktype = 'relation'")
				.param(session.pid())
				.query(String.class)
				.list();
			assertThat(locked).hasSizeLessThanOrEqualTo(MOST_RELATION_LOCKS);
		}
	}

	private List<String> names(String sql) {
		return this.engine.jdbc().sql(sql).query(String.class).list();
	}

}
