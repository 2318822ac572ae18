package io.pgqueue.engine;

import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.engine.Leases.Claim;
import io.pgqueue.engine.Leases.ClaimRequest;
import io.pgqueue.engine.Leases.Failure;
import io.pgqueue.engine.Leases.Held;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * Many senders, which roll back or leave transactions open for a while, and many claims
 * at once: what was committed is handled, once.
 */
@PgQueueDatabase
class ConcurrencyIntegrationTests {

	private static final int THREADS = 4;

	private static final int TRANSACTIONS = 150;

	private final TestDatabase database;

	private final TestEngine engine;

	private final Set<Long> committed = ConcurrentHashMap.newKeySet();

	private final Map<Long, AtomicInteger> handled = new ConcurrentHashMap<>();

	private final AtomicBoolean sending = new AtomicBoolean(true);

	private final AtomicBoolean claiming = new AtomicBoolean(true);

	ConcurrencyIntegrationTests(TestDatabase database) {
		this.database = database;
		this.engine = TestEngine.of(database);
	}

	@Test
	@Timeout(60)
	void whatWasCommittedIsHandledOnce() throws Exception {
		runAll(List.of());
	}

	@Test
	@Timeout(60)
	void whatWasCommittedIsHandledOnceWhileSlotsAreMovedToTheAttic() throws Exception {
		runAll(List.of(this::moveToTheAttic));
		assertThat(this.engine.jdbc()
			.sql("SELECT count(*) FROM pgqueue.message WHERE slot = -1")
			.query(Long.class)
			.single()).isPositive();
	}

	private void runAll(List<Callable<Void>> others) throws Exception {
		ExecutorService executor = Executors.newCachedThreadPool();
		try {
			List<Future<Void>> senders = new ArrayList<>();
			List<Future<Void>> rest = new ArrayList<>();
			for (int i = 0; i < THREADS; i++) {
				int seed = i;
				senders.add(executor.submit(() -> send(new Random(seed))));
				rest.add(executor.submit(() -> claim(new Random(seed + 100))));
			}
			others.forEach((other) -> rest.add(executor.submit(other)));
			for (Future<Void> one : senders) {
				one.get();
			}
			this.sending.set(false);
			for (Future<Void> one : rest) {
				one.get();
			}
		}
		finally {
			this.claiming.set(false);
			executor.shutdownNow();
			executor.awaitTermination(10, TimeUnit.SECONDS);
		}
		assertThat(this.committed).hasSizeGreaterThan(THREADS * TRANSACTIONS / 2);
		assertThat(this.handled.keySet()).isEqualTo(this.committed);
		assertThat(this.handled.values()).allMatch((times) -> times.get() == 1);
		assertThat(this.engine.retried()).isEmpty();
		assertThat(this.engine.count("lease")).isZero();
	}

	private Void send(Random random) {
		try (Session session = new Session(this.database.directDataSource())) {
			for (int i = 0; i < TRANSACTIONS; i++) {
				List<Long> sent = new ArrayList<>();
				session.execute("BEGIN");
				if (random.nextInt(5) == 0) {
					session.execute("SELECT pg_current_xact_id()");
					LockSupport.parkNanos(random.nextInt(2_000_000));
				}
				int messages = random.nextInt(8);
				for (int message = 0; message < messages; message++) {
					sent.add(this.engine.send(session));
				}
				if (random.nextInt(5) == 0) {
					session.execute("SAVEPOINT undone");
					this.engine.send(session);
					session.execute("ROLLBACK TO undone");
				}
				if (random.nextInt(4) == 0) {
					LockSupport.parkNanos(random.nextInt(10_000_000));
				}
				if (random.nextInt(6) == 0) {
					session.rollback();
				}
				else {
					// Before the commit, because a claim may see it before the next line
					// runs.
					this.committed.addAll(sent);
					session.commit();
				}
			}
		}
		return null;
	}

	private Void claim(Random random) {
		int idle = 0;
		while (this.claiming.get() && (this.sending.get() || idle < 20)) {
			ClaimRequest request = this.engine.request(this.engine.worker, 1 + random.nextInt(20), TestEngine.BYTES,
					OffsetDateTime.MIN);
			Claim claim = this.engine.leases.claim(request);
			settle(random, request.lease(), claim);
			boolean nothing = claim.messages().isEmpty() && !claim.busy() && !claim.more()
					&& claim.nextDueMicros() == null;
			idle = nothing ? idle + 1 : 0;
			if (nothing || claim.busy()) {
				LockSupport.parkNanos(2_000_000);
			}
		}
		return null;
	}

	/**
	 * Acknowledges the messages of a claim, one by one or together, and puts some back.
	 */
	private void settle(Random random, long lease, Claim claim) {
		List<Held> parts = new ArrayList<>();
		List<Held> retries = new ArrayList<>();
		List<Failure> failures = new ArrayList<>();
		boolean whole = random.nextBoolean();
		for (ClaimedMessage message : claim.messages()) {
			if (!whole && random.nextInt(4) == 0) {
				failures.add(TestEngine.failure(lease, message.id(), random.nextInt(20), true));
				continue;
			}
			this.handled.computeIfAbsent(message.id(), (id) -> new AtomicInteger()).incrementAndGet();
			(message.redelivered() ? retries : parts).add(new Held(lease, message.id()));
		}
		if (!failures.isEmpty()) {
			assertThat(this.engine.leases.retry(this.engine.worker, failures)).isEmpty();
		}
		List<Long> leases = (whole && !parts.isEmpty()) ? List.of(lease) : List.of();
		assertThat(this.engine.leases.settle(this.engine.worker, leases, whole ? List.of() : parts, retries)).isEmpty();
	}

	/**
	 * Does again and again what the second phase of a rotation does, except that
	 * everything is still needed.
	 */
	private Void moveToTheAttic() {
		try (Session session = new Session(this.database.directDataSource())) {
			while (this.sending.get()) {
				session.execute("BEGIN");
				session.execute("LOCK TABLE pgqueue.message_0 IN ACCESS EXCLUSIVE MODE");
				session.execute(
						"""
								INSERT INTO pgqueue.message (slot, lane, queue_id, xid, id, enqueued_at, size, headers, payload)
								SELECT -1, lane, queue_id, xid, id, enqueued_at, size, headers, payload FROM pgqueue.message_0""");
				session.execute("TRUNCATE pgqueue.message_0");
				session.commit();
				LockSupport.parkNanos(50_000_000);
			}
		}
		return null;
	}

}
