package io.pgqueue.autoconfigure;

import javax.sql.DataSource;

import io.pgqueue.QueueEventListener;
import io.pgqueue.wakeup.WakeUps;

/**
 * What the beans of this library share. One bean of an own type, so that no bean of a
 * general type gets in the way of the application.
 *
 * @param pooled the application's DataSource
 * @param direct opens connections outside its pool
 * @param schema name of the schema, migrated and checked
 * @param wakeUps who waits for messages
 * @param events is told what happens
 */
record Infrastructure(DataSource pooled, DataSource direct, String schema, WakeUps wakeUps, QueueEventListener events) {
}
