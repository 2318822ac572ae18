/**
 * A PostgreSQL to try the quickstart with. Nothing here belongs into an application that
 * has a database.
 */
@NullMarked
package io.pgqueue.samples.quickstart.postgres;

import org.jspecify.annotations.NullMarked;
