package io.pgqueue.autoconfigure.metrics;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.pgqueue.wakeup.NotificationLifecycle;
import io.pgqueue.wakeup.NotificationListener.State;

/**
 * Shows whether notifications of other processes arrive.
 */
class NotificationMeter {

	NotificationMeter(MeterRegistry registry, NotificationLifecycle notifications) {
		Gauge
			.builder("pgqueue.notifications.arriving", notifications,
					(lifecycle) -> (lifecycle.state() == State.ARRIVING) ? 1 : 0)
			.description("1 while notifications of other processes arrive, 0 while queues are polled")
			.register(registry);
	}

}
