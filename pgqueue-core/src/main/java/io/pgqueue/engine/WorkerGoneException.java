package io.pgqueue.engine;

import io.pgqueue.PgQueueException;

/**
 * The worker that a transition was called for is not registered or was declared dead.
 */
public class WorkerGoneException extends PgQueueException {

	WorkerGoneException(Throwable cause) {
		super("This worker is not registered or was declared dead", cause);
	}

}
