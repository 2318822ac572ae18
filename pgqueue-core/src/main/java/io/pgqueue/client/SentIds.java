package io.pgqueue.client;

import java.util.AbstractList;
import java.util.Arrays;
import java.util.RandomAccess;

import io.pgqueue.SendResult;

/**
 * The results of many sends, kept as bare numbers.
 */
final class SentIds extends AbstractList<SendResult> implements RandomAccess {

	private final String queue;

	private long[] ids = new long[16];

	private int size;

	SentIds(String queue) {
		this.queue = queue;
	}

	void append(long[] more) {
		if (this.ids.length - this.size < more.length) {
			this.ids = Arrays.copyOf(this.ids, Math.max(this.ids.length * 2, this.size + more.length));
		}
		System.arraycopy(more, 0, this.ids, this.size, more.length);
		this.size += more.length;
	}

	@Override
	public SendResult get(int index) {
		if (index < 0 || index >= this.size) {
			throw new IndexOutOfBoundsException("Index " + index + " of " + this.size);
		}
		return new SendResult(this.ids[index], this.queue, true);
	}

	@Override
	public int size() {
		return this.size;
	}

}
