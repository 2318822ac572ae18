package io.pgqueue.autoconfigure;

import java.util.List;

import javax.sql.DataSource;

import org.springframework.boot.jdbc.metadata.DataSourcePoolMetadata;
import org.springframework.boot.jdbc.metadata.DataSourcePoolMetadataProvider;

/**
 * How many transactions handlers may have open at a time: one less than the pool has
 * connections. The last one is for whoever needs a second connection, so that handlers
 * that hold one never wait for each other for ever.
 */
final class HandlerTransactionLimit {

	private HandlerTransactionLimit() {
	}

	static int of(DataSource dataSource, List<DataSourcePoolMetadataProvider> providers) {
		for (DataSourcePoolMetadataProvider provider : providers) {
			DataSourcePoolMetadata pool = provider.getDataSourcePoolMetadata(dataSource);
			Integer most = (pool != null) ? pool.getMax() : null;
			if (most != null && most > 0) {
				return Math.max(most - 1, 1);
			}
		}
		return Integer.MAX_VALUE;
	}

}
