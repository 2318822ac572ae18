package io.pgqueue.samples.quickstart;

import java.time.Instant;

/**
 * An order as the table has it.
 *
 * @param id its number
 * @param customer who ordered
 * @param item what was ordered
 * @param quantity how many of it
 * @param status how far it is
 * @param placedAt when it was placed
 */
record Order(long id, String customer, String item, int quantity, Status status, Instant placedAt) {

	/**
	 * How far an order is.
	 */
	enum Status {

		/**
		 * Stored, and a message is on its way to the listener.
		 */
		PLACED,

		/**
		 * The listener has accepted it.
		 */
		CONFIRMED

	}

}
