package io.pgqueue.listener;

import org.springframework.transaction.ConfigurableTransactionManager;

/**
 * The transaction that a handler method opens by itself.
 *
 * @param name the name under which it begins
 * @param manager what begins it
 */
record HandlerTransaction(String name, ConfigurableTransactionManager manager) {
}
