package io.pgqueue.listener;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

import io.pgqueue.QueueHeaders;
import io.pgqueue.SendResult;
import io.pgqueue.test.TestDatabase;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;

import org.springframework.messaging.MessageHeaders;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.messaging.handler.annotation.Headers;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a listener method may take besides the payload.
 */
class HandlerHeadersIntegrationTests extends AbstractHandlerArguments {

	HandlerHeadersIntegrationTests(TestDatabase database) {
		super(database);
	}

	@Test
	void theLibrarysHeaders() {
		SendResult[] sent = new SendResult[1];
		Instant before = Instant.now().minusSeconds(60);
		Object headers = receive(SHIPMENT, new Base() {

			void on(Shipment shipment, @Header(QueueHeaders.ID) long id, @Header(QueueHeaders.QUEUE) String queue,
					@Header(QueueHeaders.SUBSCRIPTION) String subscription, @Header(QueueHeaders.ATTEMPT) int attempt,
					@Header(QueueHeaders.ENQUEUED_AT) Instant enqueuedAt) {
				assertThat(enqueuedAt).isAfter(before);
				add(List.of(id, queue, subscription, attempt));
			}

		}, sent);
		assertThat(headers).isEqualTo(List.of(sent[0].id(), this.queue, "default", 1));
	}

	@Test
	void theSendersHeaders() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(Shipment shipment, @Header("tenant") String tenant, @Header("weight") int converted,
					@Header(name = "absent", required = false) String absent,
					@Header(name = "other", defaultValue = "7") int byDefault,
					@Header("tenant") Optional<String> optional) {
				add(tenant + converted + absent + byDefault + optional);
			}

		})).isEqualTo("acme12null7Optional[acme]");
	}

	@Test
	void allHeadersAtOnce() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(@Headers Map<String, Object> headers, Shipment shipment, MessageHeaders same) {
				assertThat(headers).isEqualTo(same);
				add(headers.keySet());
			}

		})).asInstanceOf(InstanceOfAssertFactories.COLLECTION)
			.containsExactlyInAnyOrder("tenant", "weight", QueueHeaders.ID, QueueHeaders.QUEUE,
					QueueHeaders.SUBSCRIPTION, QueueHeaders.ATTEMPT, QueueHeaders.ENQUEUED_AT);
	}

	@Test
	void aBatchWithTheHeadersThatAllMessagesShare() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(List<Shipment> shipments, @Header(QueueHeaders.QUEUE) String queue,
					@Header(QueueHeaders.SUBSCRIPTION) String subscription) {
				add(queue + " " + subscription + " " + shipments.size());
			}

		})).isEqualTo(this.queue + " default 1");
	}

	@Test
	void nothingAtAll() {
		assertThat(receive(SHIPMENT, new Base() {

			void on() {
				add("called");
			}

		})).isEqualTo("called");
	}

	@Test
	void headersWithoutAPayload() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(@Header("tenant") String tenant) {
				add(tenant);
			}

		})).isEqualTo("acme");
	}

}
