package io.pgqueue.samples.quickstart;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.IntStream;

import io.pgqueue.test.Await;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.util.FileSystemUtils;

import static org.assertj.core.api.Assertions.assertThat;

@Tag("postgres")
class KilledQuickstartIntegrationTests {

	private static final int ORDERS = 1_000;

	private static final int CUSTOMERS_AT_A_TIME = 4;

	private static final int STOP_SECONDS = 10;

	private static final Duration LIMIT = Duration.ofSeconds(60);

	private final Path directory = Path.of("target/test-killed");

	/**
	 * Orders that nobody has answered with 201 yet.
	 */
	private final Queue<Integer> open = new ConcurrentLinkedQueue<>(IntStream.range(0, ORDERS).boxed().toList());

	private final Set<Long> accepted = ConcurrentHashMap.newKeySet();

	private int port;

	@BeforeEach
	void startFromNothing() throws IOException {
		FileSystemUtils.deleteRecursively(this.directory);
		try (ServerSocket socket = new ServerSocket(0)) {
			this.port = socket.getLocalPort();
		}
	}

	@Test
	void everyAcceptedOrderOfAThousandIsConfirmedAlthoughProcessesAreKilled() throws Exception {
		try (QuickstartProcess first = start()) {
			assertThat(first.jdbc().sql("SHOW fsync").query(String.class).single()).isEqualTo("on");
			assertThat(first.jdbc().sql("SHOW synchronous_commit").query(String.class).single()).isEqualTo("on");
			List<Thread> customers = placeOrders(first.desk());
			awaitAccepted(ORDERS / 4);
			first.kill();
			first.killPostgres();
			join(customers);
			assertThat(this.open).isNotEmpty();
		}
		try (QuickstartProcess second = start()) {
			List<Thread> customers = placeOrders(second.desk());
			awaitAccepted(ORDERS / 2);
			second.kill();
			join(customers);
			assertThat(this.open).isNotEmpty();
			assertThat(second.isPostgresRunning()).isTrue();
			long orphan = second.postgresPid();

			try (QuickstartProcess third = start()) {
				assertThat(third.postgresPid()).isEqualTo(orphan);
				join(placeOrders(third.desk()));
				assertThat(this.accepted).hasSize(ORDERS);
				assertEveryOrderIsConfirmed(third);
				assertStopsWithPostgres(third);
			}
		}
	}

	private QuickstartProcess start() throws IOException {
		return QuickstartProcess.start(this.directory, this.port);
	}

	private List<Thread> placeOrders(OrderDesk desk) {
		List<Thread> customers = new ArrayList<>();
		for (int i = 0; i < CUSTOMERS_AT_A_TIME; i++) {
			Thread customer = new Thread(() -> placeUntilNothingIsOpen(desk));
			customer.start();
			customers.add(customer);
		}
		return customers;
	}

	private void placeUntilNothingIsOpen(OrderDesk desk) {
		Integer next = this.open.poll();
		while (next != null && place(desk, next)) {
			next = this.open.poll();
		}
	}

	private boolean place(OrderDesk desk, Integer number) {
		try {
			HttpResponse<String> response = desk.place("c-" + number, 1 + number % 100);
			if (response.statusCode() == 201) {
				this.accepted.add(OrderDesk.json(response).get("id").asLong());
				return true;
			}
		}
		catch (IOException ex) {
			// The process was killed; whether it had stored the order is unknown
		}
		catch (InterruptedException ex) {
			Thread.currentThread().interrupt();
		}
		this.open.add(number);
		return false;
	}

	private void awaitAccepted(int count) {
		Await.until(count + " orders are accepted", LIMIT, () -> this.accepted.size() >= count);
	}

	private static void join(List<Thread> customers) throws InterruptedException {
		for (Thread customer : customers) {
			customer.join();
		}
	}

	private void assertEveryOrderIsConfirmed(QuickstartProcess running) throws Exception {
		JdbcClient jdbc = running.jdbc();
		Await.until("all orders are confirmed", LIMIT,
				() -> jdbc.sql("SELECT count(*) FROM orders WHERE status <> 'CONFIRMED'")
					.query(Integer.class)
					.single() == 0);
		assertThat(jdbc.sql("SELECT id FROM orders").query(Long.class).list()).containsAll(this.accepted);
		assertThat(running.desk().get("/dead-letters").body()).isEqualTo("[]");
	}

	private static void assertStopsWithPostgres(QuickstartProcess running) throws Exception {
		// Who is connected must not hold it up
		try (Socket idle = new Socket(InetAddress.getLoopbackAddress(), running.postgresPort())) {
			assertThat(running.terminate(STOP_SECONDS)).isTrue();
			assertThat(idle.getInputStream().read()).isEqualTo(-1);
		}
		assertThat(running.exitCode()).isEqualTo(128 + 15);
		assertThat(running.isPostgresRunning()).isFalse();
	}

}
