package io.pgqueue.listener;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.LockSupport;

import io.pgqueue.test.Await;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class TransactionTurnTests {

	private final Semaphore permits = new Semaphore(1, true);

	private final TransactionTurns turns = new TransactionTurns(this.permits);

	private final TransactionTurn turn = new TransactionTurn(this.turns);

	private final Queue<String> served = new ConcurrentLinkedQueue<>();

	@Test
	void aTurnIsKeptWhileNobodyWaits() {
		assertThat(this.turn.begin()).isTrue();
		LockSupport.parkNanos(20_000_000);
		this.turn.pass();
		assertThat(this.permits.availablePermits()).isZero();
		assertThat(this.turn.begin()).isTrue();
		this.turn.end();
		this.turn.end();
		assertThat(this.permits.availablePermits()).isOne();
	}

	@Test
	void aTurnIsKeptForAFewMessagesAndThenPassedToWhoWaits() throws InterruptedException {
		long since = System.nanoTime();
		assertThat(this.turn.begin()).isTrue();
		Thread other = waiting(this.turns, "other");
		this.turn.pass();
		boolean early = System.nanoTime() - since < 10_000_000;
		assertThat(this.served.isEmpty() || !early).as("kept for 10 ms").isTrue();
		LockSupport.parkNanos(20_000_000);
		this.turn.pass();
		other.join(10_000);
		assertThat(this.served).containsExactly("other");
	}

	@Test
	void whoHasWaitedLongestIsNextInWhateverContainerItIs() throws InterruptedException {
		assertThat(this.turn.begin()).isTrue();
		TransactionTurns otherContainer = new TransactionTurns(this.permits);
		Thread first = waiting(otherContainer, "first");
		LockSupport.parkNanos(150_000_000);
		Thread second = waiting(this.turns, "second");
		LockSupport.parkNanos(150_000_000);
		this.turn.end();
		first.join(10_000);
		second.join(10_000);
		assertThat(this.served).containsExactly("first", "second");
	}

	@Test
	void aContainerThatStopsTakesItsRunnersOutOfTheLineAndNoOthers() throws InterruptedException {
		assertThat(this.turn.begin()).isTrue();
		TransactionTurns otherContainer = new TransactionTurns(this.permits);
		Thread leaving = waiting(otherContainer, "leaving");
		Thread staying = waiting(this.turns, "staying");
		otherContainer.end();
		leaving.join(10_000);
		assertThat(leaving.isAlive()).isFalse();
		assertThat(new TransactionTurn(otherContainer).begin()).isFalse();
		this.turn.end();
		staying.join(10_000);
		assertThat(this.served).containsExactly("staying");
		assertThat(this.permits.availablePermits()).isOne();
	}

	private Thread waiting(TransactionTurns turns, String name) {
		int before = this.permits.getQueueLength();
		Thread thread = new Thread(() -> {
			TransactionTurn own = new TransactionTurn(turns);
			if (own.begin()) {
				this.served.add(name);
				own.end();
			}
		}, name);
		thread.start();
		Await.until(name + " waits", () -> this.permits.getQueueLength() == before + 1);
		return thread;
	}

}
