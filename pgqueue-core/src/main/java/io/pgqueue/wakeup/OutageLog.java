package io.pgqueue.wakeup;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.Collectors;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What this process logs while the database does not do what its threads ask for. Each of
 * them goes on trying and reports here how it went; all together they write at most one
 * line a second: when something fails that worked before, once a minute as long as
 * anything fails, and when everything works again. Thread-safe.
 */
public final class OutageLog {

	private static final Logger logger = LoggerFactory.getLogger(OutageLog.class);

	/**
	 * Time from one line to the next.
	 */
	private static final Duration PAUSE = Duration.ofSeconds(1);

	/**
	 * Time from one line to the next when nothing has changed.
	 */
	private static final Duration REMINDER = Duration.ofMinutes(1);

	private static final int MOST_NAMED = 3;

	private final Set<String> failing = new LinkedHashSet<>();

	/**
	 * Whether anything fails, or that it no longer does has not been logged yet.
	 */
	private volatile boolean open;

	private boolean news;

	private long openedAt;

	private long lastLine = System.nanoTime() - REMINDER.toNanos();

	/**
	 * Creates the log of one process.
	 */
	public OutageLog() {
	}

	/**
	 * Reports that something failed and is tried again.
	 * @param what what failed, as a sentence without its full stop; always the same words
	 * for the same thing
	 * @param failure why
	 */
	public synchronized void failed(String what, Throwable failure) {
		long now = System.nanoTime();
		if (!this.open) {
			this.open = true;
			this.openedAt = now;
		}
		this.news |= this.failing.add(what);
		if (isTime(now, this.news ? PAUSE : REMINDER)) {
			this.news = false;
			this.lastLine = now;
			logger.warn("{}{}, trying again: {}", names(), since(now),
					failure.toString().replaceAll("\\s*\\R\\s*", " "));
		}
	}

	/**
	 * Reports that something worked. Costs nothing unless something fails.
	 * @param what what worked, in the words of its failure
	 */
	public void worked(String what) {
		if (this.open) {
			close(what, true);
		}
	}

	/**
	 * Reports that something is not tried any more.
	 * @param what what it was, in the words of its failure
	 */
	public void ended(String what) {
		if (this.open) {
			close(what, false);
		}
	}

	private synchronized void close(String what, boolean worked) {
		long now = System.nanoTime();
		this.failing.remove(what);
		// Too early for a line: whatever works next writes it.
		if (this.open && this.failing.isEmpty() && (!worked || isTime(now, PAUSE))) {
			this.open = false;
			this.news = false;
			if (worked) {
				this.lastLine = now;
				logger.info("The database does what it is asked for again, after {} ms", millis(now));
			}
		}
	}

	private boolean isTime(long now, Duration pause) {
		return now - this.lastLine >= pause.toNanos();
	}

	private String names() {
		String named = this.failing.stream().limit(MOST_NAMED).collect(Collectors.joining("; "));
		int others = this.failing.size() - MOST_NAMED;
		return (others > 0) ? named + "; and " + others + " more" : named;
	}

	private String since(long now) {
		return (now > this.openedAt) ? " (for " + millis(now) + " ms)" : "";
	}

	private long millis(long now) {
		return (now - this.openedAt) / 1_000_000;
	}

}
