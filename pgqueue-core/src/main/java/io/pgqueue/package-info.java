/**
 * Contracts: the types that an application imports to send, receive and describe
 * messages.
 */
@NullMarked
package io.pgqueue;

import org.jspecify.annotations.NullMarked;
