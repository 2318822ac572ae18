/**
 * Operating queues: what people look at when something went wrong.
 */
@NullMarked
package io.pgqueue.admin;

import org.jspecify.annotations.NullMarked;
