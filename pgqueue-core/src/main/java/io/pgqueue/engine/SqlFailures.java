package io.pgqueue.engine;

import java.sql.SQLException;
import java.util.function.Predicate;

import io.pgqueue.Causes;
import org.jspecify.annotations.Nullable;

import org.springframework.transaction.TransactionSystemException;

/**
 * Looks for what the server or the driver said behind whatever wraps it.
 */
public final class SqlFailures {

	private static final String IDLE_IN_TRANSACTION = "25P03";

	private static final String TRANSACTION_TIMEOUT = "25P04";

	private static final int MOST_CHAINED = 10;

	private SqlFailures() {
	}

	/**
	 * Tells whether a failure is due to a connection that was lost, or could not be made.
	 * @param failure what was thrown
	 * @return whether it is
	 */
	public static boolean isConnectionLost(Throwable failure) {
		return endedBy(failure) == null && any(failure, (state) -> state.startsWith("08") || state.startsWith("57P0"));
	}

	/**
	 * Tells which setting of the server ended a transaction by closing its connection.
	 * @param failure what was thrown
	 * @return name of the setting, or null if it was none
	 */
	public static @Nullable String endedBy(Throwable failure) {
		if (any(failure, IDLE_IN_TRANSACTION::equals)) {
			return "idle_in_transaction_session_timeout";
		}
		return any(failure, TRANSACTION_TIMEOUT::equals) ? "transaction_timeout" : null;
	}

	private static boolean any(Throwable failure, Predicate<String> state) {
		for (Throwable cause : Causes.of(failure)) {
			// If the rollback fails as well, what happened before is not among the
			// causes.
			if (cause instanceof TransactionSystemException rollback && rollback.getApplicationException() != null
					&& rollback.getApplicationException() != failure
					&& any(rollback.getApplicationException(), state)) {
				return true;
			}
			if (cause instanceof SQLException ex && anyChained(ex, state)) {
				return true;
			}
		}
		return false;
	}

	private static boolean anyChained(SQLException first, Predicate<String> state) {
		SQLException one = first;
		for (int i = 0; one != null && i < MOST_CHAINED; i++) {
			if (one.getSQLState() != null && state.test(one.getSQLState())) {
				return true;
			}
			one = one.getNextException();
		}
		return false;
	}

}
