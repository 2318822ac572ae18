/**
 * Fixtures for the tests of all modules: finds a real PostgreSQL and gives every test
 * class a database of its own.
 */
@NullMarked
package io.pgqueue.test;

import org.jspecify.annotations.NullMarked;
