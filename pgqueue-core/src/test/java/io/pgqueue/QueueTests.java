package io.pgqueue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

class QueueTests {

	@ParameterizedTest
	@ValueSource(strings = { "a", "0", "orders", "Orders.eu-1_x", ".", "-", "_", "select", "default" })
	void lettersDigitsDotsUnderscoresAndHyphensAreAllowed(String name) {
		assertThat(new Queue(name).name()).isEqualTo(name);
	}

	@Test
	void aHundredCharactersAreAllowedAndOneMoreIsNot() {
		assertThat(new Queue("x".repeat(100)).name()).hasSize(100);
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> new Queue("x".repeat(101)));
	}

	@ParameterizedTest
	@ValueSource(strings = { "", " ", "a b", "a\n", "\na", "a\0", "ä", "a'", "a\"", "a;b", "a/b", "a%s", "a$", "ａ",
			"\u0430" })
	void anythingElseIsRefusedWithTheNameAndTheRule(String name) {
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> new Queue(name))
			.withMessage("Invalid queue name '" + name.replaceAll("\\p{Cntrl}", "?")
					+ "': use 1 to 100 characters out of A-Z, a-z, 0-9, '.', '_' and '-'");
	}

	@Test
	void noNameIsRefused() {
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> new Queue(null))
			.withMessageStartingWith("Invalid queue name null:");
	}

	@Test
	void aVeryLongNameIsShownInPart() {
		assertThatExceptionOfType(InvalidConfigurationException.class).isThrownBy(() -> new Queue("x".repeat(5_000)))
			.satisfies((ex) -> assertThat(ex.getMessage()).contains("... (5000 characters)").hasSizeLessThan(300));
	}

}
