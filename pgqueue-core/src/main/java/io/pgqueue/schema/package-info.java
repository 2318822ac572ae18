/**
 * Internal: brings the database schema up to date and checks that it is complete.
 */
@NullMarked
package io.pgqueue.schema;

import org.jspecify.annotations.NullMarked;
