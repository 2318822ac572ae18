package io.pgqueue.listener;

import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import io.pgqueue.QueueHeaders;
import io.pgqueue.test.Await;
import io.pgqueue.test.PgQueueDatabase;
import io.pgqueue.test.Session;
import io.pgqueue.test.TestDatabase;
import io.pgqueue.test.TestUser;
import io.pgqueue.wakeup.NotificationListener.State;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.postgresql.PGNotification;

import org.springframework.dao.DataAccessException;
import org.springframework.messaging.handler.annotation.Header;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

/**
 * Those who send by {@code pgqueue.send}, without the library. Idle queues are looked
 * into every ten minutes, as long as notifications arrive.
 */
@PgQueueDatabase
class SqlSendersIntegrationTests {

	private final TestDatabase database;

	private final TestApplication receiver;

	private final String queue;

	private final List<Object> handled = new CopyOnWriteArrayList<>();

	SqlSendersIntegrationTests(TestDatabase database) {
		this.database = database;
		this.receiver = TestApplication.builder(database).notifications().build();
		this.queue = this.receiver.declareQueue();
	}

	@BeforeAll
	static void migrate(TestDatabase database) {
		database.migrate();
	}

	@AfterEach
	void close() {
		this.receiver.close();
	}

	@Test
	void aHandlerGetsPayloadAndHeaders() {
		long id = send("'{\"id\": 42, \"item\": \"book\"}', "
				+ "'{\"tenant\": \"acme\", \"weight\": 12, \"urgent\": true, \"absent\": null, \"type\": \"placed\"}'");
		assertThat(receive(new Object() {

			void on(Order order, @Header("tenant") String tenant, @Header("weight") int weight,
					@Header("urgent") boolean urgent, @Header(name = "absent", required = false) String absent,
					@Header(QueueHeaders.TYPE) String type, @Header(QueueHeaders.ID) long received) {
				assertThat(absent).isNull();
				SqlSendersIntegrationTests.this.handled.add(List.of(order, tenant, weight, urgent, type, received));
			}

		})).isEqualTo(List.of(new Order(42, "book"), "acme", 12, true, "placed", id));
	}

	@Test
	void aTextIsAStringOfJson() {
		send("to_json('it''s \"text\"'::text)");
		assertThat(receive(new Object() {

			void on(String text) {
				SqlSendersIntegrationTests.this.handled.add(text);
			}

		})).isEqualTo("it's \"text\"");
	}

	@Test
	void bytesAreBase64WithTheirContentType() {
		send("to_json(encode('bytes'::bytea, 'base64')), '{\"content-type\": \"application/octet-stream\"}'");
		assertThat(receive(new Object() {

			void on(byte[] bytes) {
				SqlSendersIntegrationTests.this.handled.add(new String(bytes, StandardCharsets.UTF_8));
			}

		})).isEqualTo("bytes");
	}

	@Test
	void aMessageGoesWithTheTransactionOrSavepointItWasSentIn() {
		try (Session session = Session.begin(this.database)) {
			session.execute("SELECT pgqueue.send('" + this.queue + "', '1')");
			session.execute("SAVEPOINT before");
			session.execute("SELECT pgqueue.send('" + this.queue + "', '2', p_delay => '1 h')");
			session.execute("ROLLBACK TO SAVEPOINT before");
			assertThat(stored()).isZero();
			session.commit();
			assertThat(stored()).isOne();
			session.execute("BEGIN");
			session.execute("SELECT pgqueue.send('" + this.queue + "', '3')");
		}
		assertThat(stored()).isOne();
	}

	@Test
	void aTriggerSends() {
		this.database.jdbc().sql("CREATE TABLE placed_order (id bigint, item text)").update();
		try (Session session = new Session(this.database.directDataSource())) {
			session.execute("CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
					+ "PERFORM pgqueue.send('" + this.queue + "', row_to_json(NEW)); RETURN NULL; END $$");
			session.execute("CREATE TRIGGER tell AFTER INSERT ON placed_order FOR EACH ROW EXECUTE FUNCTION tell()");
			session.execute("INSERT INTO placed_order VALUES (7, 'pen')");
		}
		assertThat(receive(new Object() {

			void on(Order order) {
				SqlSendersIntegrationTests.this.handled.add(order);
			}

		})).isEqualTo(new Order(7, "pen"));
	}

	@Test
	void anUnknownQueueIsAnExceptionWithACodeOfItsOwn() {
		for (String delay : List.of("NULL", "'0 s'", "'1 h'")) {
			SQLException ex = refused("SELECT pgqueue.send('no-such-queue', '1', NULL, " + delay + ")");
			assertThat(ex.getSQLState()).isEqualTo("PGQ03");
			assertThat((Throwable) ex).hasMessageContaining("queue \"no-such-queue\" does not exist")
				.hasMessageContaining("declares it");
		}
		assertThat(refused("SELECT pgqueue.send(NULL, '1')").getSQLState()).isEqualTo("PGQ03");
	}

	@ParameterizedTest
	@CsvSource(delimiter = '|', textBlock = """
			NULL                                    | the payload is null
			'null'                                  | the payload is null
			to_json(repeat('x', 67108864))          | have 67108866 bytes
			'1', '[]'                               | the headers are no object, but of type array
			'1', 'null'                             | the headers are no object, but of type null
			'1', '{"a": "b", "list": [1]}'          | "list" is of type array
			'1', '{"nested": {}}'                   | "nested" is of type object
			'1', '{"pgqueue_id": 1}'                | "pgqueue_id" cannot be set
			'1', NULL, '-1 us'                      | the delay is
			'1', NULL, '36501 days'                 | must be from 0 to 36500 days
			'1', NULL, '-1 month'                   | the delay is
			'1', NULL, NULL, '0 s'                  | the time to live is
			'1', NULL, '1 h', '1 h'                 | must be longer than the delay
			'1', NULL, NULL, '36501 days'           | and at most 36500 days
			""", quoteCharacter = '`')
	void whatTheLibraryWouldRefuseIsRefusedAndNothingIsWritten(String arguments, String reason) {
		SQLException ex = refused("SELECT pgqueue.send('" + this.queue + "', " + arguments + ")");
		assertThat(ex.getSQLState()).isEqualTo("22023");
		assertThat((Throwable) ex).hasMessageContaining(reason);
		assertThat(ex.getMessage()).doesNotContain("xxx");
		assertThat(stored() + scheduled()).isZero();
	}

	@Test
	void withANotificationAnotherProcessIsWokenByTheCommit() throws Exception {
		start();
		try (HeardNotifications heard = HeardNotifications.of(this.database, TestDatabase.SCHEMA);
				Session session = Session.begin(this.database)) {
			session.execute("SELECT pgqueue.send('" + this.queue + "', '\"first\"', p_notify => true)");
			assertThat(texts(heard)).doesNotContain(ofQueue());
			session.rollback();
			assertThat(texts(heard)).doesNotContain(ofQueue());
			session.execute("BEGIN");
			session.execute("SELECT pgqueue.send('" + this.queue + "', '\"second\"', p_notify => true)");
			session.commit();
			assertThat(texts(heard)).contains(ofQueue());
		}
		awaitHandled("second");
		assertThat(this.handled).containsExactly("second");
	}

	@Test
	void withoutANotificationItIsFoundWhenSomebodyAnnouncesIt() throws Exception {
		start();
		try (HeardNotifications heard = HeardNotifications.of(this.database, TestDatabase.SCHEMA)) {
			send("'\"quiet\"'");
			send("'\"later\"', p_delay => '1 h'");
			assertThat(texts(heard)).doesNotContain(ofQueue(), "/s");
			assertThat(this.handled).isEmpty();
		}
		this.database.jdbc().sql("SELECT pgqueue.announce('', ARRAY['" + this.queue + "'], '{}')").query().listOfRows();
		awaitHandled("quiet");
	}

	@Test
	void aDelayedMessageWithANotificationIsHandledWhenItIsDue() throws Exception {
		start();
		Instant due = Instant.now().plusMillis(400);
		try (HeardNotifications heard = HeardNotifications.of(this.database, TestDatabase.SCHEMA)) {
			send("'\"delayed\"', p_delay => '400 ms', p_notify => true");
			assertThat(texts(heard)).contains("/s");
		}
		awaitHandled("delayed");
		assertThat(Instant.now()).isAfterOrEqualTo(due);
	}

	@Test
	void whoseTimeToLiveIsOverIsNotHandled() throws Exception {
		send("'\"short\"', p_ttl => '1 us'");
		send("'\"delayed\"', p_delay => '1 us', p_ttl => '2 us'");
		send("'\"long\"', p_ttl => '1 h'");
		start();
		awaitHandled("long");
		Await.until("the others are counted", () -> this.receiver.events().expired(this.queue) == 2);
		assertThat(this.handled).containsExactly("long");
	}

	@Test
	void aZeroDelayMeansAtOnce() throws Exception {
		start();
		try (HeardNotifications heard = HeardNotifications.of(this.database, TestDatabase.SCHEMA)) {
			send("'\"zero\"', p_delay => '0 s', p_notify => true");
			assertThat(texts(heard)).contains(ofQueue());
		}
		awaitHandled("zero");
	}

	@Test
	void aUserWhoMayOnlySendCanSendAndReadNothing() {
		TestUser user = this.database.createUser();
		for (String grant : List.of("USAGE ON SCHEMA pgqueue", "SELECT ON pgqueue.queue, pgqueue.ring",
				"INSERT, SELECT (id) ON pgqueue.message, pgqueue.scheduled", "USAGE ON SEQUENCE pgqueue.message_id")) {
			this.database.jdbc().sql("GRANT " + grant + " TO " + user.name()).update();
		}
		try (Session session = new Session(this.database.directDataSource(user))) {
			session.execute("SELECT pgqueue.send('" + this.queue + "', '1', '{\"tenant\": \"acme\"}')");
			session.execute("SELECT pgqueue.send('" + this.queue + "', '2', p_delay => '1 h', p_notify => true)");
			session.execute("SELECT pgqueue.send('" + this.queue + "', '3', p_notify => true)");
			session.execute("SELECT pgqueue.announce('', ARRAY['" + this.queue + "'], '{}')");
			for (String table : List.of("message", "scheduled")) {
				assertThatExceptionOfType(IllegalStateException.class)
					.isThrownBy(() -> session.execute("SELECT payload FROM pgqueue." + table))
					.withMessageContaining("permission denied");
			}
		}
		assertThat(stored()).isEqualTo(2);
		assertThat(scheduled()).isOne();
	}

	@Test
	void theChannelIsThatOfASchemaWhoseNameNeedsQuoting() throws Exception {
		String schema = "My-Queue 1";
		this.database.migrate(schema);
		try (HeardNotifications heard = HeardNotifications.of(this.database, schema);
				Session session = new Session(this.database.directDataSource())) {
			session.execute("SELECT * FROM \"My-Queue 1\".declare_queue('orders')");
			session.execute("SELECT \"My-Queue 1\".send('orders', '1', p_notify => true)");
			assertThat(texts(heard)).containsExactly("/1");
		}
	}

	/**
	 * Has a listener method handle what was sent before.
	 */
	private Object receive(Object bean) {
		this.receiver.listen(TestApplication.options(this.queue).retryPolicy(TestApplication.ONCE).build(), bean)
			.start();
		Await.until("it is handled or given up",
				() -> !this.handled.isEmpty() || this.receiver.events().deadLettered(this.queue) > 0);
		assertThat(this.handled).as("failures: %s", this.receiver.events().failures()).hasSize(1);
		return this.handled.get(0);
	}

	private void start() {
		this.receiver
			.handle(TestApplication.options(this.queue).build(), (message) -> this.handled.add(message.payload()))
			.start();
		Await.until("notifications arrive", () -> this.receiver.notifications() == State.ARRIVING);
	}

	private void awaitHandled(String payload) {
		Await.until("it is handled", () -> this.handled.contains(payload));
	}

	private long send(String arguments) {
		return this.database.jdbc()
			.sql("SELECT pgqueue.send('" + this.queue + "', " + arguments + ")")
			.query(Long.class)
			.single();
	}

	private SQLException refused(String sql) {
		return (SQLException) assertThatExceptionOfType(DataAccessException.class)
			.isThrownBy(() -> this.database.jdbc().sql(sql).query(Long.class).single())
			.actual()
			.getRootCause();
	}

	private static List<String> texts(HeardNotifications heard) {
		return heard.committed().stream().map(PGNotification::getParameter).toList();
	}

	/**
	 * What a notification says that names the queue.
	 */
	private String ofQueue() {
		return "/" + this.database.jdbc()
			.sql("SELECT id FROM pgqueue.queue WHERE name = '" + this.queue + "'")
			.query(Integer.class)
			.single();
	}

	private long stored() {
		return count("message");
	}

	private long scheduled() {
		return count("scheduled");
	}

	private long count(String table) {
		return this.database.jdbc()
			.sql("SELECT count(*) FROM pgqueue." + table
					+ " m JOIN pgqueue.queue q ON q.id = m.queue_id WHERE q.name = ?")
			.param(this.queue)
			.query(Long.class)
			.single();
	}

	private record Order(long id, String item) {
	}

}
