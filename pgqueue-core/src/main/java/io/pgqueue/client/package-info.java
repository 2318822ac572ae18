/**
 * Sending: from a payload to a row, on the connection that Spring has bound.
 */
@NullMarked
package io.pgqueue.client;

import org.jspecify.annotations.NullMarked;
