/**
 * Finding {@code @QueueListener} methods.
 */
@NullMarked
package io.pgqueue.annotation;

import org.jspecify.annotations.NullMarked;
