/**
 * Receiving: containers that claim messages, invoke handlers and settle the outcome.
 */
@NullMarked
package io.pgqueue.listener;

import org.jspecify.annotations.NullMarked;
