/**
 * Auto-configuration of the template, the schema and the listener containers.
 */
@NullMarked
package io.pgqueue.autoconfigure;

import org.jspecify.annotations.NullMarked;
