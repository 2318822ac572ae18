package io.pgqueue.samples.quickstart;

import java.net.URI;
import java.util.List;

import org.springframework.http.HttpStatus;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;

/**
 * Orders by HTTP.
 */
@RestController
@RequestMapping("/orders")
class OrderController {

	private static final int SHOWN = 50;

	private final Orders orders;

	OrderController(Orders orders) {
		this.orders = orders;
	}

	/**
	 * Places an order. The answer does not wait for the listener; it is a promise that
	 * holds even if this process is killed right after it.
	 * @param order what is ordered
	 * @return number and status of the order
	 */
	@PostMapping
	ResponseEntity<Receipt> place(@RequestBody NewOrder order) {
		long id = this.orders.place(order.requireValid());
		return ResponseEntity.created(URI.create("/orders/" + id)).body(new Receipt(id, Order.Status.PLACED));
	}

	@GetMapping
	List<Order> latest() {
		return this.orders.latest(SHOWN);
	}

	@GetMapping("/{id}")
	Order find(@PathVariable long id) {
		return this.orders.find(id)
			.orElseThrow(() -> new ResponseStatusException(HttpStatus.NOT_FOUND, "There is no order " + id));
	}

	/**
	 * The answer to a new order.
	 *
	 * @param id number of the order
	 * @param status how far it is
	 */
	record Receipt(long id, Order.Status status) {
	}

}
