package io.pgqueue.wakeup;

import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Lets one thread wait for a signal. A signal that comes before the wait is kept, so that
 * what was sent between a claim and the wait after it is not overlooked.
 */
public final class WakeUp {

	private final Semaphore signal = new Semaphore(0);

	/**
	 * Ends the wait that is under way, or else the next one.
	 */
	public void signal() {
		if (this.signal.availablePermits() == 0) {
			this.signal.release();
		}
	}

	/**
	 * Waits for a signal. An interrupt is one as well and leaves no trace: whoever
	 * interrupts a thread of this library does not end it.
	 * @param limit how long at most
	 * @return whether there was a signal
	 */
	public boolean await(Duration limit) {
		boolean signalled;
		try {
			signalled = this.signal.tryAcquire(TimeUnit.NANOSECONDS.convert(limit), TimeUnit.NANOSECONDS);
		}
		catch (InterruptedException ex) {
			signalled = true;
		}
		this.signal.drainPermits();
		return signalled;
	}

}
