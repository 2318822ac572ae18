package io.pgqueue.listener;

import java.time.Duration;

import io.pgqueue.wakeup.Alarm;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;

@Timeout(20)
class AlarmTests {

	private static final Duration SHORT = Duration.ofMillis(30);

	private static final Duration LONG = Duration.ofMinutes(5);

	private final Alarm alarm = new Alarm();

	private volatile Thread sleeper = Thread.currentThread();

	@Test
	void sleepsNoLongerThanAllowed() throws InterruptedException {
		assertThat(this.alarm.await(SHORT)).isFalse();
	}

	@Test
	void whatWasReportedBeforeTheSleepEndsItAtOnce() throws InterruptedException {
		this.alarm.due(Duration.ofHours(1));
		assertThat(this.alarm.await(LONG)).as("nothing is late").isFalse();
	}

	@Test
	void aMessageThatIsDueBeforeTheSleepEndsWakesTheSleeper() throws InterruptedException {
		Thread sender = new Thread(() -> {
			awaitSleeper();
			this.alarm.due(Duration.ofSeconds(299));
		});
		this.sleeper = Thread.currentThread();
		sender.start();
		assertThat(this.alarm.await(LONG)).isFalse();
	}

	@Test
	void aMessageThatIsDueLaterDoesNot() throws InterruptedException {
		Thread sender = new Thread(() -> {
			awaitSleeper();
			this.alarm.due(Duration.ofDays(36_500));
		});
		this.sleeper = Thread.currentThread();
		sender.start();
		long started = System.nanoTime();
		this.alarm.await(Duration.ofMillis(300));
		assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThanOrEqualTo(Duration.ofMillis(300));
		sender.join();
	}

	@Test
	void tellsOnceThatAMessageWasCommittedAfterItsDueTime() throws InterruptedException {
		this.alarm.due(Duration.ofMillis(-1));
		assertThat(this.alarm.await(LONG)).isTrue();
		assertThat(this.alarm.await(SHORT)).isFalse();
	}

	private void awaitSleeper() {
		while (this.sleeper.getState() != Thread.State.TIMED_WAITING) {
			Thread.onSpinWait();
		}
	}

}
