package io.pgqueue.listener;

import org.jspecify.annotations.Nullable;

/**
 * One handler method of a listener.
 *
 * @param method the method
 * @param signature what it takes
 * @param transaction the transaction that it opens by itself, if that can acknowledge
 * @param validation checks payloads for it, or null for no check
 */
record HandlerRoute(ListenerMethod method, HandlerSignature signature, @Nullable HandlerTransaction transaction,
		@Nullable PayloadValidation validation) {
}
