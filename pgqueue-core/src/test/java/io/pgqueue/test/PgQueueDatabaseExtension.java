package io.pgqueue.test;

import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * Creates a database per test class and drops it afterwards. See {@link PgQueueDatabase}.
 */
public final class PgQueueDatabaseExtension implements BeforeAllCallback, ParameterResolver {

	private static final Namespace NAMESPACE = Namespace.create(PgQueueDatabaseExtension.class);

	@Override
	public void beforeAll(ExtensionContext context) {
		database(context);
	}

	@Override
	public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
		return parameter.getParameter().getType() == TestDatabase.class;
	}

	@Override
	public TestDatabase resolveParameter(ParameterContext parameter, ExtensionContext context) {
		return database(context);
	}

	private static TestDatabase database(ExtensionContext context) {
		return context.getStore(NAMESPACE)
			.computeIfAbsent(TestDatabase.class, (type) -> PostgresServer.shared().createDatabase(),
					TestDatabase.class);
	}

}
