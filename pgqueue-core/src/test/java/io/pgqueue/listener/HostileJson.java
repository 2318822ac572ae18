package io.pgqueue.listener;

import java.util.LinkedHashMap;
import java.util.Map;

import tools.jackson.databind.JsonNode;

/**
 * A payload, and what others might put in its place: JSON that PostgreSQL stores.
 *
 * @param name any text
 * @param amount any number
 * @param tree anything
 */
record HostileJson(String name, Integer amount, JsonNode tree) {

	/**
	 * Payloads, and what becomes of their messages.
	 */
	static final Map<String, String> PAYLOADS = new LinkedHashMap<>();

	/**
	 * Headers, and what becomes of their messages.
	 */
	static final Map<String, String> HEADERS = new LinkedHashMap<>();

	private static final String INTERRUPTS = "interrupts";

	static {
		PAYLOADS.put("{\"name\":\"x\",\"amount\":\"many\"}", "dead");
		PAYLOADS.put("{\"name\":\"x\",\"amount\":{}}", "dead");
		PAYLOADS.put("{\"name\":\"x\",\"amount\":1e400}", "dead");
		PAYLOADS.put("{\"name\":[\"x\"]}", "dead");
		PAYLOADS.put("[]", "dead");
		PAYLOADS.put("\"x\"", "dead");
		PAYLOADS.put("1", "dead");
		PAYLOADS.put("null", "dead");
		PAYLOADS.put("{\"name\":\"x\",\"tree\":" + nested(5_000) + "}", "dead");
		PAYLOADS.put("{\"name\":\"x\",\"tree\":" + nested(100) + "}", "success");
		PAYLOADS.put("{\"name\":\"x\",\"unknown\":" + nested(100) + "}", "success");
		PAYLOADS.put("{\"name\":\"x\",\"unknown\":1,\"name\":\"twice\"}", "success");
		PAYLOADS.put("{\"name\":\"" + "x".repeat(1_000_000) + "\"}", "success");
		PAYLOADS.put("{\"name\":\"a\\u0000b\",\"tree\":{\"\\u0000\":\"\\u0000\"}}", "success");
		PAYLOADS.put("{\"name\":\"a\\ud800b\",\"tree\":{\"\\ud800\":\"\\udc00\\ud800\"}}", "success");
		PAYLOADS.put("{\"name\":\"" + INTERRUPTS + "\"}", "success");
		HEADERS.put("[]", "dead");
		HEADERS.put("\"x\"", "dead");
		HEADERS.put("1", "dead");
		HEADERS.put("null", "dead");
		HEADERS.put("{\"deep\":" + nested(5_000) + "}", "dead");
		HEADERS.put("{\"deep\":" + nested(100) + "}", "success");
		HEADERS.put("{\"a\":null,\"b\":1,\"c\":{}}", "success");
		HEADERS.put("{\"long\":\"" + "x".repeat(1_000_000) + "\"}", "success");
		HEADERS.put("{\"a\\u0000b\":\"a\\u0000b\"}", "success");
		HEADERS.put("{\"a\\ud800b\":\"a\\ud800b\"}", "success");
	}

	HostileJson {
		if (INTERRUPTS.equals(name)) {
			Thread.currentThread().interrupt();
		}
	}

	private static String nested(int depth) {
		return "[".repeat(depth) + "]".repeat(depth);
	}

}
