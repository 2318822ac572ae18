package io.pgqueue.engine;

import java.util.ArrayList;
import java.util.List;

import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * The snapshot that is stored in a cursor means the same as the one that PostgreSQL
 * gives, but names every transaction that is running. Compared at REPEATABLE READ, where
 * both are of the same moment.
 */
@PgQueueDatabase
class FullSnapshotIntegrationTests {

	private final TestDatabase database;

	private final List<Session> sessions = new ArrayList<>();

	FullSnapshotIntegrationTests(TestDatabase database) {
		this.database = database;
		TestEngine.of(database);
	}

	@AfterEach
	void close() {
		this.sessions.forEach(Session::close);
	}

	@Test
	void withNobodyElse() {
		Session own = own();
		assertThat(differences(own)).isEmpty();
		assertThat(holes(own)).isEmpty();
	}

	@Test
	void withTransactionsThatBeganAndEndedInAnyOrderBeforeOurOwnNumber() {
		List<Session> others = others(9);
		for (int ended : new int[] { 1, 2, 5, 7 }) {
			others.get(ended).commit();
		}
		Session own = own();
		assertThat(differences(own)).isEmpty();
		assertThat(holes(own)).isEmpty();
	}

	/**
	 * Only at READ COMMITTED can our own number be older than the snapshot.
	 */
	@Test
	void withTransactionsThatBeganAndEndedAfterOurOwnNumberWasGiven() {
		List<Session> others = others(3);
		Session own = Session.begin(this.database);
		this.sessions.add(own);
		own.execute("SELECT pg_current_xact_id()");
		others(4).get(2).commit();
		others.get(1).rollback();
		assertThat(differences(own)).isEmpty();
		assertThat(holes(own)).isEmpty();
	}

	@Test
	void withTransactionsThatBeganAfterTheSnapshot() {
		others(2);
		Session own = Session.begin(this.database, "REPEATABLE READ");
		this.sessions.add(own);
		own.execute("SELECT 1");
		others(5).get(3).commit();
		assertThat(differences(own)).isEmpty();
	}

	@Test
	void withMoreRunningOnesThanAreWorthNaming() {
		Session bulk = others(1).get(0);
		bulk.execute("DO $$ BEGIN FOR i IN 1..600 LOOP BEGIN UPDATE pgqueue.ring SET current = current; "
				+ "RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$");
		assertThat(differences(own())).isEmpty();
	}

	/**
	 * The numbers about which the two snapshots disagree, except our own.
	 */
	private static List<Long> differences(Session own) {
		assertThat(own.jdbc()
			.sql("SELECT pg_visible_in_snapshot(pg_current_xact_id(), pgqueue.full_snapshot())")
			.query(Boolean.class)
			.single()).as("our own number is running").isFalse();
		return own.jdbc().sql("""
				SELECT x FROM (SELECT pg_current_snapshot() AS a, pgqueue.full_snapshot() AS b) s,
					generate_series(3, pg_current_xact_id()::text::bigint + 700) AS x
				WHERE pg_visible_in_snapshot(x::text::xid8, a) <> pg_visible_in_snapshot(x::text::xid8, b)
					AND x <> pg_current_xact_id()::text::bigint""").query(Long.class).list();
	}

	/**
	 * The numbers up to our own that are running and not named.
	 */
	private static List<Long> holes(Session own) {
		return own.jdbc().sql("""
				SELECT x FROM (SELECT pgqueue.full_snapshot() AS b) s,
					generate_series(3, pg_current_xact_id()::text::bigint) AS x
				WHERE NOT pg_visible_in_snapshot(x::text::xid8, b)
					AND x NOT IN (SELECT pg_snapshot_xip(b)::text::bigint)""").query(Long.class).list();
	}

	private Session own() {
		Session session = Session.begin(this.database, "REPEATABLE READ");
		this.sessions.add(session);
		session.execute("SELECT pg_current_xact_id()");
		return session;
	}

	private List<Session> others(int count) {
		List<Session> begun = new ArrayList<>();
		for (int i = 0; i < count; i++) {
			Session session = Session.begin(this.database);
			session.execute("SELECT pg_current_xact_id()");
			begun.add(session);
		}
		this.sessions.addAll(begun);
		return begun;
	}

}
