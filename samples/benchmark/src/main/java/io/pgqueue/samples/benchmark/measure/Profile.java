package io.pgqueue.samples.benchmark.measure;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;

import jdk.jfr.Configuration;
import jdk.jfr.Recording;
import org.jspecify.annotations.Nullable;

/**
 * A JFR recording of the measured part of one workload, and beside it the server's most
 * expensive statements. The last round wins.
 */
public final class Profile {

	private final Path directory;

	private final String name;

	private @Nullable Recording recording;

	/**
	 * Creates a profile that does not record yet.
	 * @param directory where the files go
	 * @param name name of the files without extension
	 */
	public Profile(Path directory, String name) {
		this.directory = directory;
		this.name = name;
	}

	void start() {
		try {
			Files.createDirectories(this.directory);
			this.recording = new Recording(Configuration.getConfiguration("profile"));
			this.recording.start();
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
		catch (ParseException ex) {
			throw new IllegalStateException(ex);
		}
	}

	void stop() {
		try (Recording ended = this.recording) {
			if (ended != null) {
				ended.stop();
				ended.dump(this.directory.resolve(this.name + ".jfr"));
			}
		}
		catch (IOException ex) {
			throw new UncheckedIOException(ex);
		}
		this.recording = null;
	}

	Path statements() {
		return this.directory.resolve(this.name + ".statements.txt");
	}

}
