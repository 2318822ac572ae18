package io.pgqueue.samples.quickstart;

/**
 * The message: what the listener needs to know, stored as JSON. A class of its own, so
 * that the table and the message can change independently.
 *
 * @param orderId number of the order
 * @param quantity how many pieces were ordered
 */
record OrderPlaced(long orderId, int quantity) {
}
