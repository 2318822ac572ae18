package io.pgqueue.wakeup;

import java.util.function.BooleanSupplier;

import io.pgqueue.wakeup.NotificationListener.State;

import org.springframework.context.SmartLifecycle;

/**
 * Starts and stops what tells other processes, and what listens to them: before the
 * containers start, and after they have stopped and handed back.
 */
public final class NotificationLifecycle implements SmartLifecycle {

	private final Notifier notifier;

	private final NotificationListener listener;

	private final BooleanSupplier listens;

	private final int phase;

	private volatile boolean running;

	/**
	 * Creates a lifecycle.
	 * @param notifier tells other processes
	 * @param listener listens to them
	 * @param listens whether there is anybody to be woken; asked at each start
	 * @param phase the phase to start in, below that of the containers
	 */
	public NotificationLifecycle(Notifier notifier, NotificationListener listener, BooleanSupplier listens, int phase) {
		this.notifier = notifier;
		this.listener = listener;
		this.listens = listens;
		this.phase = phase;
	}

	/**
	 * Returns how far notifications of other processes arrive.
	 * @return the state; {@link State#STOPPED} where nobody is to be woken
	 */
	public State state() {
		return this.listener.state();
	}

	@Override
	public void start() {
		this.running = true;
		this.notifier.start();
		if (this.listens.getAsBoolean()) {
			this.listener.start();
		}
	}

	@Override
	public void stop() {
		this.listener.stop();
		this.notifier.stop();
		this.running = false;
	}

	@Override
	public boolean isRunning() {
		return this.running;
	}

	@Override
	public int getPhase() {
		return this.phase;
	}

}
