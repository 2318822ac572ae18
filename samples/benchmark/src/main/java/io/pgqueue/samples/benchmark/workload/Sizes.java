package io.pgqueue.samples.benchmark.workload;

import java.time.Duration;

/**
 * How much of everything.
 *
 * @param messages messages of a drain or a batch send; other workloads take a part of it
 * @param warm messages that go before a measurement and do not count
 * @param backlog messages of the large backlog
 * @param smallBacklog messages of the small backlog
 * @param log messages that went through before a measurement on a long log
 * @param paced messages of a latency measurement
 * @param idle how long to watch idle queues
 * @param limit how long a step may take: what was done by then counts
 */
public record Sizes(int messages, int warm, int backlog, int smallBacklog, int log, int paced, Duration idle,
		Duration limit) {

	/**
	 * Returns smaller sizes.
	 * @param share from 0 to 1
	 * @return the share of everything but times and paced messages
	 */
	public Sizes times(double share) {
		return new Sizes(part(this.messages, share), part(this.warm, share), part(this.backlog, share),
				part(this.smallBacklog, share), part(this.log, share), this.paced, this.idle, this.limit);
	}

	/**
	 * Returns sizes for a round that does not count.
	 * @return a tenth of everything
	 */
	public Sizes warmUp() {
		Sizes tenth = times(0.1);
		return new Sizes(tenth.messages(), tenth.warm(), tenth.backlog(), tenth.smallBacklog(), tenth.log(),
				this.paced / 10, this.idle.dividedBy(10), this.limit);
	}

	private static int part(int size, double share) {
		return Math.max(Math.min(size, 100), (int) (size * share));
	}

}
