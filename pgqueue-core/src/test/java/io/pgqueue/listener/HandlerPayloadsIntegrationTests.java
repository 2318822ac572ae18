package io.pgqueue.listener;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;

import io.pgqueue.QueueHeaders;
import io.pgqueue.QueueMessage;
import io.pgqueue.test.TestDatabase;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

import org.springframework.messaging.Message;
import org.springframework.messaging.handler.annotation.Header;
import org.springframework.messaging.handler.annotation.Payload;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What a listener method may take as the payload.
 */
class HandlerPayloadsIntegrationTests extends AbstractHandlerArguments {

	HandlerPayloadsIntegrationTests(TestDatabase database) {
		super(database);
	}

	@Test
	void theBarePayload() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(Shipment shipment) {
				add(shipment);
			}

		})).isEqualTo(SHIPMENT);
	}

	@Test
	void thePayloadWithItsAnnotation() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(@Header(QueueHeaders.ATTEMPT) int attempt, @Payload Shipment shipment) {
				add(shipment);
			}

		})).isEqualTo(SHIPMENT);
	}

	@Test
	void aListOfPayloads() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(List<Shipment> shipments) {
				add(shipments);
			}

		})).isEqualTo(List.of(SHIPMENT));
	}

	@Test
	void aCollectionOfPayloads() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(Collection<Shipment> shipments) {
				add(List.copyOf(shipments));
			}

		})).isEqualTo(List.of(SHIPMENT));
	}

	@Test
	void aMapKeepsTheTypesOfItsKeysAndValues() {
		assertThat(receive(Map.of("a", 1), new Base() {

			void on(Map<String, Long> numbers) {
				add(numbers);
			}

		})).isEqualTo(Map.of("a", 1L));
	}

	@Test
	void aListOfMapsKeepsTheTypesOfItsKeysAndValues() {
		assertThat(receive(Map.of(7, 1), new Base() {

			void on(List<Map<Integer, Long>> numbers) {
				add(numbers);
			}

		})).isEqualTo(List.of(Map.of(7, 1L)));
	}

	@Test
	void aMessageOfTheLibrary() {
		QueueMessage<?> message = (QueueMessage<?>) receive(SHIPMENT, new Base() {

			void on(QueueMessage<Shipment> message) {
				add(message);
			}

		});
		assertThat(message.payload()).isEqualTo(SHIPMENT);
		assertThat(message.headers()).isEqualTo(Map.of("tenant", "acme", "weight", "12"));
		assertThat(message.queue()).isEqualTo(this.queue);
		assertThat(message.attempt()).isEqualTo(1);
	}

	@Test
	void aListOfMessagesOfTheLibrary() {
		List<?> messages = (List<?>) receive(Map.of("a", 1), new Base() {

			void on(List<QueueMessage<Map<String, Long>>> messages) {
				add(messages);
			}

		});
		assertThat(messages).singleElement().extracting("payload").isEqualTo(Map.of("a", 1L));
	}

	@Test
	void aMessageOfSpring() {
		Message<?> message = (Message<?>) receive(SHIPMENT, new Base() {

			void on(Message<Shipment> message) {
				add(message);
			}

		});
		assertThat(message.getPayload()).isEqualTo(SHIPMENT);
		assertThat(message.getHeaders()).containsEntry("tenant", "acme").containsEntry(QueueHeaders.QUEUE, this.queue);
		assertThat(message.getHeaders().getId()).isNull();
		assertThat(message.getHeaders().getTimestamp()).isNull();
	}

	@Test
	void aListOfMessagesOfSpring() {
		List<?> messages = (List<?>) receive(SHIPMENT, new Base() {

			void on(List<Message<Shipment>> messages) {
				add(messages);
			}

		});
		Message<?> message = (Message<?>) messages.get(0);
		assertThat(message.getPayload()).isEqualTo(SHIPMENT);
		assertThat(message.getHeaders()).containsEntry("tenant", "acme").containsEntry(QueueHeaders.ATTEMPT, 1);
	}

	@Test
	void messagesOfAnUnknownTypeHaveJsonValues() {
		assertThat(receive(Map.of("a", 1), new Base() {

			void on(Message<?> message) {
				add(message.getPayload());
			}

		})).isEqualTo(Map.of("a", 1));
	}

	@Test
	void aListOfUnknownThingsHasJsonValues() {
		assertThat(receive(Map.of("a", 1), new Base() {

			void on(List<?> payloads) {
				add(payloads);
			}

		})).isEqualTo(List.of(Map.of("a", 1)));
	}

	@Test
	@SuppressWarnings("rawtypes")
	void aRawListHasJsonValues() {
		assertThat(receive(Map.of("a", 1), new Base() {

			void on(List payloads) {
				add(payloads);
			}

		})).isEqualTo(List.of(Map.of("a", 1)));
	}

	@Test
	@SuppressWarnings("rawtypes")
	void aRawMessageHasAJsonValue() {
		assertThat(receive(Map.of("a", 1), new Base() {

			void on(QueueMessage message) {
				add(message.payload());
			}

		})).isEqualTo(Map.of("a", 1));
	}

	@Test
	void anObjectIsAJsonValue() {
		assertThat(receive(List.of(1, "two"), new Base() {

			void on(Object payload) {
				add(payload);
			}

		})).isEqualTo(List.of(1, "two"));
	}

	@Test
	void aJsonTree() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(JsonNode tree) {
				add(tree.get("id").asString());
			}

		})).isEqualTo("4711");
	}

	@Test
	void aPrimitiveNumber() {
		assertThat(receive(42, new Base() {

			void on(int number) {
				add(number);
			}

		})).isEqualTo(42);
	}

	@Test
	void anArray() {
		assertThat(receive(List.of(SHIPMENT), new Base() {

			void on(Shipment[] shipments) {
				add(shipments);
			}

		})).isEqualTo(new Shipment[] { SHIPMENT });
	}

	@Test
	void anOptionalPayload() {
		assertThat(receive(SHIPMENT, new Base() {

			void on(Optional<Shipment> shipment) {
				add(shipment);
			}

		})).isEqualTo(Optional.of(SHIPMENT));
	}

	@Test
	void aStringIsTheTextOfAJsonString() {
		assertThat(receive("{}", new Base() {

			void on(String text) {
				add(text);
			}

		})).isEqualTo("{}");
	}

	@Test
	void aStringIsOtherwiseTheJsonItself() {
		assertThat(receive(Map.of("a", 1), new Base() {

			void on(String text) {
				add(text);
			}

		})).isEqualTo("{\"a\":1}");
	}

	@Test
	void bytes() {
		assertThat(receive(new byte[] { 1, 2, 3 }, new Base() {

			void on(byte[] bytes) {
				add(bytes);
			}

		})).isEqualTo(new byte[] { 1, 2, 3 });
	}

	@Test
	void aTypeThatAGenericBaseClassLeavesOpen() {
		assertThat(receive(SHIPMENT, new ShipmentHandler())).isEqualTo(SHIPMENT);
	}

	abstract class GenericHandler<T> extends Base {

		void on(T payload) {
			handle(payload);
		}

		abstract void handle(T payload);

	}

	class ShipmentHandler extends GenericHandler<Shipment> {

		@Override
		void handle(Shipment shipment) {
			add(shipment);
		}

	}

}
