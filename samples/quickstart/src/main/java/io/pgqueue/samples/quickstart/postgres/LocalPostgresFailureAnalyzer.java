package io.pgqueue.samples.quickstart.postgres;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/**
 * Has Boot print what is wrong instead of a stack trace.
 */
class LocalPostgresFailureAnalyzer extends AbstractFailureAnalyzer<LocalPostgresException> {

	@Override
	protected FailureAnalysis analyze(Throwable rootFailure, LocalPostgresException cause) {
		return new FailureAnalysis(cause.getMessage(), cause.action(), cause);
	}

}
