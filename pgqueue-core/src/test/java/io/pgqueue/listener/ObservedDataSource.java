package io.pgqueue.listener;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import javax.sql.DataSource;

import org.springframework.jdbc.datasource.DelegatingDataSource;

/**
 * Counts the statements that the library runs, and loses answers on request: the
 * statement takes effect, but its caller gets an exception.
 */
public final class ObservedDataSource extends DelegatingDataSource {

	private final List<String> executed = new CopyOnWriteArrayList<>();

	private volatile String lost;

	private volatile Throwable failure;

	public ObservedDataSource(DataSource target) {
		super(target);
	}

	/**
	 * Returns how many statements contained a text.
	 */
	public long count(String text) {
		return this.executed.stream().filter((sql) -> sql.contains(text)).count();
	}

	/**
	 * Loses the answer to the next statement that contains a text and returns rows that
	 * matter.
	 */
	public void loseNextAnswer(String text) {
		loseNextAnswer(text, new SQLException("The connection broke before the answer came", "08006"));
	}

	/**
	 * Loses the answer to the next statement that contains a text, in a way of its own.
	 */
	public void loseNextAnswer(String text, Throwable failure) {
		this.failure = failure;
		this.lost = text;
	}

	/**
	 * Tells whether the answer was lost.
	 */
	public boolean isAnswerLost() {
		return this.lost == null;
	}

	@Override
	public Connection getConnection() throws SQLException {
		return proxy(Connection.class, super.getConnection(), null);
	}

	@SuppressWarnings("unchecked")
	private <T> T proxy(Class<T> type, T target, String sql) {
		return (T) Proxy.newProxyInstance(getClass().getClassLoader(), new Class<?>[] { type },
				(proxy, method, arguments) -> invoke(target, sql, method, arguments));
	}

	private Object invoke(Object target, String sql, Method method, Object[] arguments) throws Throwable {
		Object result;
		try {
			result = method.invoke(target, arguments);
		}
		catch (InvocationTargetException ex) {
			throw ex.getTargetException();
		}
		if (result instanceof PreparedStatement statement) {
			return proxy(PreparedStatement.class, statement, (String) arguments[0]);
		}
		if (method.getName().equals("execute") && sql != null) {
			this.executed.add(sql);
			String losing = this.lost;
			if (losing != null && sql.contains(losing)) {
				this.lost = null;
				throw this.failure;
			}
		}
		return result;
	}

}
