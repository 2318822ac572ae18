package io.pgqueue.samples.quickstart;

import java.util.List;
import java.util.Optional;

import io.pgqueue.QueueOperations;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.stereotype.Service;
import org.springframework.transaction.annotation.Transactional;

/**
 * The orders table and the messages about it.
 */
@Service
class Orders {

	/**
	 * Name of the queue.
	 */
	static final String QUEUE = "orders";

	private final JdbcClient jdbc;

	private final QueueOperations queues;

	Orders(JdbcClient jdbc, QueueOperations queues) {
		this.jdbc = jdbc;
		this.queues = queues;
	}

	/**
	 * Stores an order and sends a message about it. Both are rows of one database, so one
	 * transaction makes them both or neither: no order is forgotten, and no listener ever
	 * hears of an order that does not exist.
	 * @param order a valid order
	 * @return its number
	 */
	@Transactional
	long place(NewOrder order) {
		long id = this.jdbc
			.sql("INSERT INTO orders (customer, item, quantity) VALUES (:customer, :item, :quantity) RETURNING id")
			.paramSource(order)
			.query(Long.class)
			.single();
		this.queues.send(QUEUE, new OrderPlaced(id, order.quantity()));
		return id;
	}

	/**
	 * Marks an order as confirmed, in the transaction of the listener.
	 * @param id number of the order
	 */
	void confirm(long id) {
		this.jdbc.sql("UPDATE orders SET status = 'CONFIRMED' WHERE id = ?").param(id).update();
	}

	Optional<Order> find(long id) {
		return this.jdbc.sql("SELECT * FROM orders WHERE id = ?").param(id).query(Order.class).optional();
	}

	List<Order> latest(int limit) {
		return this.jdbc.sql("SELECT * FROM orders ORDER BY id DESC LIMIT ?").param(limit).query(Order.class).list();
	}

}
