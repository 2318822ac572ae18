package io.pgqueue.listener;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import org.slf4j.LoggerFactory;

/**
 * What the library logs while this is open.
 */
public final class CapturedLog implements AutoCloseable {

	private final Logger logger = (Logger) LoggerFactory.getLogger("io.pgqueue");

	private final Appender appender = new Appender();

	public CapturedLog() {
		this.appender.setContext(this.logger.getLoggerContext());
		this.appender.start();
		this.logger.addAppender(this.appender);
	}

	/**
	 * Returns the lines at a level or above.
	 */
	public List<String> lines(Level level) {
		return this.appender.events.stream()
			.filter((event) -> event.getLevel().isGreaterOrEqual(level))
			.map(ILoggingEvent::getFormattedMessage)
			.toList();
	}

	/**
	 * Returns how many lines at a level or above there are at most within less than a
	 * second.
	 */
	public int mostInASecond(Level level) {
		long[] times = this.appender.events.stream()
			.filter((event) -> event.getLevel().isGreaterOrEqual(level))
			.mapToLong(ILoggingEvent::getTimeStamp)
			.sorted()
			.toArray();
		int most = 0;
		for (int first = 0, last = 0; last < times.length; last++) {
			// Time stamps are cut to milliseconds.
			while (times[last] - times[first] >= 998) {
				first++;
			}
			most = Math.max(most, last - first + 1);
		}
		return most;
	}

	@Override
	public void close() {
		this.logger.detachAppender(this.appender);
		this.appender.stop();
	}

	private static final class Appender extends AppenderBase<ILoggingEvent> {

		private final List<ILoggingEvent> events = new CopyOnWriteArrayList<>();

		@Override
		protected void append(ILoggingEvent event) {
			this.events.add(event);
		}

	}

}
