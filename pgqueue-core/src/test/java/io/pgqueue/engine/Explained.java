package io.pgqueue.engine;

import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import io.pgqueue.test.Session;

/**
 * What a call costs and how the statements inside the functions are planned.
 */
final class Explained {

	private static final Pattern BLOCKS = Pattern.compile("\"Shared (?:Hit|Read) Blocks\": (\\d+)");

	private Explained() {
	}

	/**
	 * Runs a query and returns how many blocks were read, wherever from, by it and by
	 * every statement that its functions ran.
	 */
	static long blocks(Session session, String sql) {
		String json = String.join("\n",
				session.jdbc().sql("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql).query(String.class).list());
		Matcher matcher = BLOCKS.matcher(json);
		long blocks = 0;
		// The first two are those of the topmost node, which includes all others.
		for (int i = 0; i < 2 && matcher.find(); i++) {
			blocks += Long.parseLong(matcher.group(1));
		}
		return blocks;
	}

	/**
	 * Makes a session report the plan of every statement to its client.
	 */
	static void reportPlans(Session session) {
		session.execute("LOAD 'auto_explain'");
		session.execute("SET auto_explain.log_min_duration = 0");
		session.execute("SET auto_explain.log_nested_statements = on");
		session.execute("SET auto_explain.log_level = notice");
		session.execute("SET client_min_messages = notice");
	}

	/**
	 * Runs a query and returns the plans of the statements inside its functions.
	 */
	static List<String> plans(Session session, String sql) {
		List<String> plans = new ArrayList<>();
		try (Statement statement = session.connection().createStatement()) {
			statement.execute(sql);
			for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
				String message = String.valueOf(warning.getMessage());
				if (message.contains("plan:")) {
					plans.add(message);
				}
			}
		}
		catch (SQLException ex) {
			throw new IllegalStateException(ex);
		}
		return plans;
	}

	static double medianMillis(int times, Runnable action) {
		double[] millis = new double[times];
		for (int i = 0; i < times; i++) {
			long start = System.nanoTime();
			action.run();
			millis[i] = (System.nanoTime() - start) / 1e6;
		}
		Arrays.sort(millis);
		return millis[times / 2];
	}

}
