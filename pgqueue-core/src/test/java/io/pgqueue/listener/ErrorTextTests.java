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

}
