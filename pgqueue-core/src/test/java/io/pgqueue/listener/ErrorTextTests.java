package io.pgqueue.listener;

import org.junit.jupiter.api.Test;

import static org.assertj.core.api.Assertions.assertThat;

class ErrorTextTests {

	@Test
	void nothingIsMadeOutOfNothing() {
		assertThat(ErrorText.className(null)).isNull();
		assertThat(ErrorText.message(null)).isNull();
		assertThat(ErrorText.message(new IllegalStateException())).isNull();
	}

	@Test
	void classAndMessageAreKept() {
		assertThat(ErrorText.className(new IllegalStateException("x"))).isEqualTo("java.lang.IllegalStateException");
		assertThat(ErrorText.message(new IllegalStateException("tab\t and\nline"))).isEqualTo("tab\t and\nline");
	}

	@Test
	void whatPostgresqlRefusesIsReplaced() {
		assertThat(ErrorText.message(new IllegalStateException("a\0b\uD800c\uDC00")))
			.isEqualTo("a\uFFFDb\uFFFDc\uFFFD");
		assertThat(ErrorText.message(new IllegalStateException("\uD83D\uDE00"))).isEqualTo("\uD83D\uDE00");
	}

	@Test
	void longMessagesAreCutBetweenCharacters() {
		assertThat(ErrorText.message(new IllegalStateException("x".repeat(100_000)))).hasSize(2_000);
		String emojis = ErrorText.message(new IllegalStateException("\uD83D\uDE00".repeat(100_000)));
		assertThat(emojis.codePoints()).hasSize(2_000).allMatch((character) -> character == 0x1F600);
	}

	@Test
	void aMessageThatThrowsIsDescribed() {
		assertThat(ErrorText.message(new IllegalStateException() {

			@Override
			public String getMessage() {
				throw new UnsupportedOperationException();
			}

		})).contains("getMessage() threw java.lang.UnsupportedOperationException");
	}

	@Test
	void aMessageThatThrowsAnErrorIsDescribed() {
		assertThat(ErrorText.message(new IllegalStateException() {

			@Override
			public String getMessage() {
				throw new StackOverflowError();
			}

		})).contains("getMessage() threw java.lang.StackOverflowError");
	}

	@Test
	void forALogThereIsOneShortLine() {
		assertThat(ErrorText.oneLine(new IllegalStateException("a\r\nb\tc\u001b[31m")))
			.isEqualTo("java.lang.IllegalStateException: a b c [31m");
		assertThat(ErrorText.oneLine(new IllegalStateException())).isEqualTo("java.lang.IllegalStateException");
		assertThat(ErrorText.oneLine(new IllegalStateException("x".repeat(1_000)))).hasSize(303).endsWith("...");
	}

	@Test
	void aStackHasTheFramesOfTheFailureAndItsCausesAndNoMessages() {
		Throwable failure = new IllegalStateException("secret one", new UnsupportedOperationException("secret two"));
		assertThat(ErrorText.stack(failure)).startsWith("java.lang.IllegalStateException\n\tat ")
			.contains("ErrorTextTests.aStackHasTheFrames")
			.contains("\nCaused by: java.lang.UnsupportedOperationException\n\tat ")
			.doesNotContain("secret");
		assertThat(ErrorText.stack(null)).isNull();
	}

	@Test
	void aDeepStackIsCutPerCauseSoThatTheCausesRemainVisible() {
		Throwable failure = new IllegalStateException(deep(500));
		assertThat(ErrorText.stack(failure)).contains("Caused by: java.lang.ArithmeticException").contains(" more\n");
	}

	@Test
	void aLongStackIsCut() {
		Throwable failure = new IllegalStateException();
		for (int i = 0; i < 200; i++) {
			failure = new IllegalStateException(failure);
		}
		assertThat(ErrorText.stack(failure)).hasSize(8_000);
	}

	@Test
	void aCycleOfCausesEnds() {
		IllegalStateException outer = new IllegalStateException();
		IllegalArgumentException inner = new IllegalArgumentException(outer);
		outer.initCause(inner);
		assertThat(ErrorText.stack(outer)).containsOnlyOnce("IllegalStateException\n")
			.containsOnlyOnce("Caused by: java.lang.IllegalArgumentException\n");
	}

	@Test
	void aFailureWhoseMethodsThrowIsNamedAllTheSame() {
		Throwable hostile = new Hostile();
		assertThat(ErrorText.stack(hostile)).isEqualTo(Hostile.class.getName() + "\n");
	}

	@Test
	void aStackWithWhatPostgresqlRefusesIsCleaned() {
		IllegalStateException failure = new IllegalStateException();
		failure.setStackTrace(new StackTraceElement[] { new StackTraceElement("a\0b", "c\uD800d", null, 1) });
		assertThat(ErrorText.stack(failure)).contains("a\uFFFDb.c\uFFFDd");
	}

	private static RuntimeException deep(int depth) {
		return (depth > 0) ? deep(depth - 1) : new ArithmeticException();
	}

	private static final class Hostile extends RuntimeException {

		@Override
		public String getMessage() {
			throw new UnsupportedOperationException();
		}

		@Override
		public synchronized Throwable getCause() {
			throw new StackOverflowError();
		}

		@Override
		public StackTraceElement[] getStackTrace() {
			throw new UnsupportedOperationException();
		}

		@Override
		public boolean equals(Object other) {
			throw new UnsupportedOperationException();
		}

		@Override
		public int hashCode() {
			throw new UnsupportedOperationException();
		}

		@Override
		public String toString() {
			throw new UnsupportedOperationException();
		}

	}

}
