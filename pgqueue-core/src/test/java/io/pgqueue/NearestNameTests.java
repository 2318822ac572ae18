package io.pgqueue;

import java.util.List;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import static org.assertj.core.api.Assertions.assertThat;

class NearestNameTests {

	private static final List<String> KNOWN = List.of("emails", "orders", "orders.eu", "payments", "x");

	@ParameterizedTest
	@CsvSource({ "order, orders", "oders, orders", "ordesr, orders", "Orders, orders", "ORDERS, orders",
			"orders.us, orders.eu", "payment, payments", "emials, emails" })
	void aSlipIsRecognised(String name, String nearest) {
		assertThat(NearestName.of(name, KNOWN)).first().isEqualTo(nearest);
	}

	@ParameterizedTest
	@CsvSource({ "invoices", "o", "zz" })
	void somethingElseIsNot(String name) {
		assertThat(NearestName.of(name, KNOWN)).doesNotContain("orders", "emails", "payments");
	}

	@Test
	void theNearestComesFirstAndThreeAreEnough() {
		assertThat(NearestName.of("order-1", List.of("order-999", "order-12", "order-11", "order-2", "order_")))
			.hasSize(3)
			.startsWith("order-12");
	}

	@Test
	void theNameItselfIsNoMatch() {
		assertThat(NearestName.of("orders", List.of("orders"))).isEmpty();
	}

	@Test
	void nothingIsNearToNothing() {
		assertThat(NearestName.of("orders", List.of())).isEmpty();
		assertThat(NearestName.of("", List.of("orders"))).isEmpty();
	}

}
