package io.pgqueue.samples.quickstart;

import java.util.regex.Pattern;

import org.jspecify.annotations.Nullable;

import org.springframework.http.HttpStatus;
import org.springframework.web.server.ResponseStatusException;

/**
 * What a customer sends.
 *
 * @param customer who orders
 * @param item what is ordered
 * @param quantity how many of it
 */
record NewOrder(@Nullable String customer, @Nullable String item, int quantity) {

	private static final Pattern NAME = Pattern.compile("(?=.*\\S)\\P{Cntrl}{1,100}");

	/**
	 * Refuses what is no order at all, so that the customer hears of it at once. A rule
	 * that takes longer to check belongs into the listener.
	 * @return this order
	 */
	NewOrder requireValid() {
		require(isName(this.customer), "customer must be a name of 1 to 100 characters");
		require(isName(this.item), "item must be a name of 1 to 100 characters");
		require(this.quantity >= 1, "quantity must be at least 1");
		return this;
	}

	private static boolean isName(@Nullable String text) {
		return text != null && NAME.matcher(text).matches();
	}

	private static void require(boolean condition, String message) {
		if (!condition) {
			throw new ResponseStatusException(HttpStatus.BAD_REQUEST, message);
		}
	}

}
