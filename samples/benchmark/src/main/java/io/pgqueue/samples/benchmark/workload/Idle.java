package io.pgqueue.samples.benchmark.workload;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import io.pgqueue.samples.benchmark.measure.Figures;
import io.pgqueue.samples.benchmark.system.Mode;
import io.pgqueue.samples.benchmark.system.QueueSystem.Consumption;

/**
 * Queues to which nothing is sent.
 */
final class Idle implements Workload {

	@Override
	public String name() {
		return "idle";
	}

	@Override
	public String title() {
		return Mode.IDLE_QUEUES + " queues to which nothing is sent";
	}

	@Override
	public Mode mode() {
		return Mode.IDLE;
	}

	@Override
	public Figures run(Cell cell) throws Exception {
		CountDownLatch never = new CountDownLatch(1);
		Consumption consumption = cell.system().consume((message) -> never.countDown());
		try (consumption) {
			// Whatever starting does is over by then.
			never.await(cell.sizes().idle().dividedBy(10).toMillis(), TimeUnit.MILLISECONDS);
			cell.meter().start();
			if (never.await(cell.sizes().idle().toMillis(), TimeUnit.MILLISECONDS)) {
				throw new IllegalStateException("A message came that nobody has sent");
			}
			return cell.meter().stop(0);
		}
	}

}
