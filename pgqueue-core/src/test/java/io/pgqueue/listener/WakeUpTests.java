package io.pgqueue.listener;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import io.pgqueue.test.Await;
import io.pgqueue.wakeup.WakeUp;
import io.pgqueue.wakeup.WakeUps;
import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class WakeUpTests {

	private final WakeUp wakeUp = new WakeUp();

	@Test
	void aSignalThatComesEarlyIsKept() {
		this.wakeUp.signal();
		assertThat(this.wakeUp.await(Duration.ZERO)).isTrue();
	}

	@Test
	void severalSignalsAreOne() {
		this.wakeUp.signal();
		this.wakeUp.signal();
		this.wakeUp.signal();
		assertThat(this.wakeUp.await(Duration.ZERO)).isTrue();
		assertThat(this.wakeUp.await(Duration.ZERO)).isFalse();
	}

	@Test
	void withoutASignalTheWaitEndsAtItsLimit() {
		long started = System.nanoTime();
		assertThat(this.wakeUp.await(Duration.ofMillis(30))).isFalse();
		assertThat(System.nanoTime() - started).isGreaterThanOrEqualTo(30_000_000L);
	}

	@Test
	void aLimitThatHasPassedDoesNotWait() {
		assertThat(this.wakeUp.await(Duration.ofDays(-1_000_000))).isFalse();
	}

	@Test
	void aSignalEndsTheWait() throws InterruptedException, ExecutionException, TimeoutException {
		FutureTask<Boolean> waiting = new FutureTask<>(() -> this.wakeUp.await(Duration.ofDays(1)));
		Thread thread = new Thread(waiting);
		thread.start();
		Await.until("the thread waits", () -> thread.getState() == Thread.State.TIMED_WAITING);
		this.wakeUp.signal();
		assertThat(waiting.get(10, TimeUnit.SECONDS)).isTrue();
	}

	@Test
	void aWaitMayBeAsLongAsADurationCanBe() throws ExecutionException, InterruptedException, TimeoutException {
		CompletableFuture<Boolean> waiting = CompletableFuture
			.supplyAsync(() -> this.wakeUp.await(Duration.ofSeconds(Long.MAX_VALUE)));
		this.wakeUp.signal();
		assertThat(waiting.get(10, TimeUnit.SECONDS)).isTrue();
	}

	@Test
	void anInterruptEndsTheWaitAndLeavesNoTrace() {
		Thread.currentThread().interrupt();
		assertThat(this.wakeUp.await(Duration.ofDays(1))).isTrue();
		assertThat(Thread.interrupted()).isFalse();
	}

	@Test
	void onlyWhoWaitsForTheQueueIsWoken() {
		WakeUps wakeUps = new WakeUps();
		WakeUp other = new WakeUp();
		WakeUp removed = new WakeUp();
		WakeUp second = new WakeUp();
		wakeUps.add("orders", 1, 1, this.wakeUp);
		wakeUps.add("orders", 1, 1, second);
		wakeUps.add("orders", 1, 1, removed);
		wakeUps.add("emails", 2, 2, other);
		wakeUps.remove("orders", removed);
		wakeUps.remove("nobody", removed);
		wakeUps.wake("orders");
		wakeUps.wake("nobody");
		assertThat(this.wakeUp.await(Duration.ZERO)).isTrue();
		assertThat(second.await(Duration.ZERO)).isTrue();
		assertThat(other.await(Duration.ZERO)).isFalse();
		assertThat(removed.await(Duration.ZERO)).isFalse();
	}

}
