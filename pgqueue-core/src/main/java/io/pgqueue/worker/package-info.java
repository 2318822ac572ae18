/**
 * Internal: this process as the database sees it: registration, heartbeat, recovery of
 * dead workers.
 */
@NullMarked
package io.pgqueue.worker;

import org.jspecify.annotations.NullMarked;
