package io.pgqueue;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/**
 * Finds the names that somebody may have meant. Used by the library for its own messages.
 */
public final class NearestName {

	private NearestName() {
	}

	/**
	 * Finds names that differ from a given one by a few characters or by case only.
	 * @param name the name that was used
	 * @param known the names that exist
	 * @return up to three of them, the nearest first
	 */
	public static List<String> of(String name, Collection<String> known) {
		int tolerance = Math.max(1, name.length() / 3);
		return known.stream()
			.filter((candidate) -> !candidate.equals(name))
			.filter((candidate) -> Math.abs(candidate.length() - name.length()) <= tolerance)
			.filter((candidate) -> distance(name, candidate) <= tolerance)
			.sorted(Comparator.comparingInt((candidate) -> distance(name, candidate)))
			.limit(3)
			.toList();
	}

	private static int distance(String left, String right) {
		int[] previous = new int[right.length() + 1];
		for (int j = 0; j < previous.length; j++) {
			previous[j] = j;
		}
		for (int i = 1; i <= left.length(); i++) {
			int[] current = new int[right.length() + 1];
			current[0] = i;
			for (int j = 1; j <= right.length(); j++) {
				boolean same = Character.toLowerCase(left.charAt(i - 1)) == Character.toLowerCase(right.charAt(j - 1));
				current[j] = Math.min(Math.min(current[j - 1], previous[j]) + 1, previous[j - 1] + (same ? 0 : 1));
			}
			previous = current;
		}
		return previous[right.length()];
	}

}
