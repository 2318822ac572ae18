package io.pgqueue.autoconfigure;

import java.util.Arrays;
import java.util.List;

import javax.sql.DataSource;

import io.pgqueue.InvalidConfigurationException;
import org.jspecify.annotations.Nullable;

import org.springframework.beans.factory.BeanFactoryUtils;
import org.springframework.beans.factory.ListableBeanFactory;

/**
 * Chooses the DataSource of the queues and opens connections outside its pool.
 *
 * @param pooled the application's own
 * @param direct opens a new connection at each call
 */
record DataSources(DataSource pooled, DataSource direct) {

	static DataSources of(ListableBeanFactory beans, PgQueueProperties properties) {
		DataSource chosen = choose(beans, properties.datasource());
		return new DataSources(chosen, new DirectDataSource(chosen, properties.direct()));
	}

	private static DataSource choose(ListableBeanFactory beans, @Nullable String name) {
		List<String> names = Arrays
			.asList(BeanFactoryUtils.beanNamesForTypeIncludingAncestors(beans, DataSource.class));
		if (name != null) {
			if (!beans.containsBean(name) || !beans.isTypeMatch(name, DataSource.class)) {
				throw new InvalidConfigurationException("pgqueue.datasource names '" + name
						+ "', but there is no such DataSource bean. There are: " + String.join(", ", names));
			}
			return beans.getBean(name, DataSource.class);
		}
		List<String> marked = names.stream()
			.filter((candidate) -> beans.findAnnotationOnBean(candidate, PgQueueDataSource.class) != null)
			.toList();
		if (marked.size() == 1) {
			return beans.getBean(marked.get(0), DataSource.class);
		}
		DataSource unique = marked.isEmpty() ? beans.getBeanProvider(DataSource.class).getIfUnique() : null;
		if (unique == null) {
			throw new InvalidConfigurationException(
					"There are several DataSource beans (" + String.join(", ", marked.isEmpty() ? names : marked)
							+ "): choose the one for queues with pgqueue.datasource, @PgQueueDataSource or @Primary");
		}
		return unique;
	}

}
