package io.pgqueue.autoconfigure;

import java.net.InetAddress;
import java.net.UnknownHostException;

/**
 * Names this process for people who look into the worker table.
 */
final class ProcessName {

	private ProcessName() {
	}

	static String current() {
		return host() + ":" + ProcessHandle.current().pid();
	}

	private static String host() {
		try {
			return InetAddress.getLocalHost().getHostName();
		}
		catch (UnknownHostException ex) {
			return "unknown-host";
		}
	}

}
