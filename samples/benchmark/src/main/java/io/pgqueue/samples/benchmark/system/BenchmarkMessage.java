package io.pgqueue.samples.benchmark.system;

/**
 * What is sent: 256 bytes as JSON.
 *
 * @param id its number plus {@link #FIRST_ID}, so that all have the same length
 * @param customer some text
 * @param item some text
 * @param quantity some number
 * @param note fills up
 */
public record BenchmarkMessage(long id, String customer, String item, int quantity, String note) {

	/**
	 * Id of the message with the number 0.
	 */
	public static final long FIRST_ID = 1_000_000_000L;

	/**
	 * Size of a message as JSON.
	 */
	public static final int BYTES = 256;

	private static final String NOTE = "x".repeat(BYTES - MessageJson.write(numbered(0, "")).length());

	/**
	 * Creates a message.
	 * @param number its number in the run
	 * @return the message
	 */
	public static BenchmarkMessage numbered(int number) {
		return numbered(number, NOTE);
	}

	private static BenchmarkMessage numbered(int number, String note) {
		return new BenchmarkMessage(FIRST_ID + number, "c-10042", "book", 2, note);
	}

	/**
	 * Returns the number in the run.
	 * @return the number
	 */
	public int number() {
		return (int) (this.id - FIRST_ID);
	}

}
