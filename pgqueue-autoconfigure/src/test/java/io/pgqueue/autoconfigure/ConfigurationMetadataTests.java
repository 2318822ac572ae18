package io.pgqueue.autoconfigure;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

import org.springframework.boot.context.properties.bind.Name;

import static org.assertj.core.api.Assertions.assertThat;

/**
 * What an IDE shows about the properties, and what the README says.
 */
class ConfigurationMetadataTests {

	private static final Pattern ROW = Pattern.compile("^\\| `(pgqueue\\.[^|]+?) \\| ([^|]+) \\| ([^|]+) \\|$",
			Pattern.MULTILINE);

	private static final Pattern CODE = Pattern.compile("`([^`]+)`");

	@Test
	void everyPropertyIsListedWithADescription() throws IOException {
		Map<String, JsonNode> listed = metadata();
		assertThat(listed).containsOnlyKeys(properties().keySet());
		listed.forEach((name,
				property) -> assertThat(property.path("description").asString("")).as(name).isNotBlank().endsWith("."));
	}

	@Test
	void settingsOfAQueueAreListedAsTheValuesOfAMap() throws IOException {
		assertThat(metadata().get("pgqueue.queues").path("type").asString())
			.isEqualTo("java.util.Map<java.lang.String,io.pgqueue.autoconfigure.PgQueueProperties$Settings>");
	}

	@Test
	void theReadmeNamesEveryProperty() throws IOException {
		Set<String> expected = new TreeSet<>(properties().keySet());
		expected.remove("pgqueue.queues");
		Map<String, Class<?>> settings = new LinkedHashMap<>();
		collect("pgqueue.queues.<name>", PgQueueProperties.Settings.class, settings);
		expected.addAll(settings.keySet());
		assertThat(readme().keySet()).containsExactlyInAnyOrderElementsOf(expected);
	}

	@Test
	void theReadmeNamesTheRealDefaults() throws IOException {
		Map<String, JsonNode> listed = metadata();
		readme().forEach((name, text) -> {
			JsonNode property = listed.get(name);
			if (property != null) {
				Matcher code = CODE.matcher(text);
				String documented = code.matches() ? code.group(1) : "";
				assertThat(property.path("defaultValue").asString("")).as(name).isEqualTo(documented);
			}
		});
	}

	private static Map<String, JsonNode> metadata() throws IOException {
		Map<String, JsonNode> found = new TreeMap<>();
		try (InputStream stream = PgQueueProperties.class
			.getResourceAsStream("/META-INF/spring-configuration-metadata.json")) {
			JsonNode properties = JsonMapper.shared().readTree(stream).path("properties");
			properties.forEach((property) -> found.put(property.path("name").asString(), property));
		}
		return found;
	}

	/**
	 * The properties as the records have them.
	 */
	private static Map<String, Class<?>> properties() {
		Map<String, Class<?>> found = new LinkedHashMap<>();
		collect("pgqueue", PgQueueProperties.class, found);
		return found;
	}

	private static void collect(String prefix, Class<?> type, Map<String, Class<?>> found) {
		RecordComponent[] components = type.getRecordComponents();
		for (int i = 0; i < components.length; i++) {
			RecordComponent component = components[i];
			Name other = type.getDeclaredConstructors()[0].getParameters()[i].getAnnotation(Name.class);
			String name = prefix + "." + ((other != null) ? other.value() : dashed(component.getName()));
			if (component.getType().isRecord()) {
				collect(name, component.getType(), found);
			}
			else {
				found.put(name, component.getType());
			}
		}
	}

	/**
	 * The rows of the README's table: name and what stands in the column of the defaults.
	 * A row may name several properties, of which the later ones leave the prefix out.
	 */
	private static Map<String, String> readme() throws IOException {
		Map<String, String> found = new LinkedHashMap<>();
		Matcher row = ROW.matcher(Files.readString(Path.of("..", "README.md")));
		while (row.find()) {
			Matcher name = CODE.matcher("`" + row.group(1));
			String prefix = "";
			while (name.find()) {
				String full = name.group(1).startsWith("pgqueue.") ? name.group(1) : prefix + name.group(1);
				prefix = full.substring(0, full.lastIndexOf('.') + 1);
				found.put(full, row.group(2));
			}
		}
		return found;
	}

	private static String dashed(String name) {
		return name.chars()
			.mapToObj((c) -> Character.isUpperCase(c) ? "-" + (char) Character.toLowerCase(c) : "" + (char) c)
			.collect(Collectors.joining());
	}

}
