/**
 * Internal: every call of the storage engine's SQL functions, one class per group of
 * transitions.
 */
@NullMarked
package io.pgqueue.engine;

import org.jspecify.annotations.NullMarked;
