package io.pgqueue.test;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

import javax.sql.DataSource;

import org.jspecify.annotations.Nullable;

import org.springframework.jdbc.datasource.DriverManagerDataSource;

/**
 * A network between a test and the database that can swallow everything: connections stay
 * open and say nothing any more.
 */
public final class FaultProxy implements AutoCloseable {

	private final TestDatabase database;

	private final URI target;

	private final ServerSocket server;

	private final List<Link> links = new CopyOnWriteArrayList<>();

	private volatile @Nullable String last;

	public FaultProxy(TestDatabase database) throws IOException {
		this.database = database;
		this.target = URI.create(database.jdbcUrl().substring("jdbc:".length()));
		this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
		start("proxy-accept", this::accept);
	}

	/**
	 * Returns what opens connections through this network.
	 */
	public DataSource dataSource() {
		String url = this.database.jdbcUrl()
			.replace(this.target.getHost() + ":" + this.target.getPort(),
					this.server.getInetAddress().getHostAddress() + ":" + this.server.getLocalPort());
		return new DriverManagerDataSource(url, this.database.username(), this.database.password());
	}

	/**
	 * Swallows from now on what goes through the connections that are open; new ones
	 * work.
	 */
	public void swallow() {
		this.links.forEach((link) -> link.swallowing = true);
	}

	/**
	 * Lets something through from now on, but nothing that follows it on its connection.
	 * @param text what it contains, {@code null} to let everything through
	 */
	public void swallowAfter(@Nullable String text) {
		this.last = text;
	}

	/**
	 * Returns how many connections were opened so far.
	 */
	public int opened() {
		return this.links.size();
	}

	/**
	 * Returns how many connections are swallowed.
	 */
	public long swallowed() {
		return this.links.stream().filter((link) -> link.swallowing).count();
	}

	private void accept() throws IOException {
		while (true) {
			Link link = new Link(this.server.accept(), new Socket(this.target.getHost(), this.target.getPort()));
			this.links.add(link);
			start("proxy-up", () -> copy(link, link.near.getInputStream(), link.far.getOutputStream()));
			start("proxy-down", () -> copy(link, link.far.getInputStream(), link.near.getOutputStream()));
		}
	}

	private void copy(Link link, InputStream from, OutputStream to) throws IOException {
		byte[] buffer = new byte[8192];
		int length = from.read(buffer);
		while (length >= 0) {
			if (!link.swallowing) {
				String text = this.last;
				if (text != null && new String(buffer, 0, length, StandardCharsets.ISO_8859_1).contains(text)) {
					link.swallowing = true;
				}
				to.write(buffer, 0, length);
				to.flush();
			}
			length = from.read(buffer);
		}
		if (!link.swallowing) {
			link.close();
		}
	}

	private static void start(String name, Copying work) {
		Thread thread = new Thread(() -> {
			try {
				work.run();
			}
			catch (IOException ex) {
				// Closed by one of the ends.
			}
		}, name);
		thread.setDaemon(true);
		thread.start();
	}

	@Override
	public void close() throws IOException {
		this.server.close();
		for (Link link : this.links) {
			link.close();
		}
	}

	@FunctionalInterface
	private interface Copying {

		void run() throws IOException;

	}

	private static final class Link {

		private final Socket near;

		private final Socket far;

		private volatile boolean swallowing;

		Link(Socket near, Socket far) {
			this.near = near;
			this.far = far;
		}

		void close() throws IOException {
			this.near.close();
			this.far.close();
		}

	}

}
