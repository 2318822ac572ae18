package io.pgqueue.samples.benchmark.system;

import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.ObjectWriter;
import tools.jackson.databind.json.JsonMapper;

/**
 * Messages to and from JSON, for the systems that leave this to their user.
 */
final class MessageJson {

	private static final ObjectWriter writer = JsonMapper.shared().writerFor(BenchmarkMessage.class);

	private static final ObjectReader reader = JsonMapper.shared().readerFor(BenchmarkMessage.class);

	private MessageJson() {
	}

	static String write(BenchmarkMessage message) {
		return writer.writeValueAsString(message);
	}

	static BenchmarkMessage read(String json) {
		return reader.readValue(json);
	}

}
