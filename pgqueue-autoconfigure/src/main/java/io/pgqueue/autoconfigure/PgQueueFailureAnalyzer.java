package io.pgqueue.autoconfigure;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.PgQueueException;
import io.pgqueue.SchemaException;
import org.jspecify.annotations.Nullable;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/**
 * Shows what is wrong with the configuration or the schema in place of a stack trace.
 */
class PgQueueFailureAnalyzer extends AbstractFailureAnalyzer<PgQueueException> {

	@Override
	protected @Nullable FailureAnalysis analyze(Throwable rootFailure, PgQueueException cause) {
		if (cause instanceof InvalidConfigurationException) {
			return new FailureAnalysis(cause.getMessage(),
					"Correct the property below 'pgqueue', the annotation or the bean that the description names.",
					cause);
		}
		if (cause instanceof SchemaException) {
			return new FailureAnalysis(cause.getMessage(),
					"Change the rights, the schema or the property that the description names.", cause);
		}
		return null;
	}

}
