package io.pgqueue.autoconfigure;

import io.pgqueue.engine.EngineFunctions;
import io.pgqueue.schema.SchemaMigrator;

import org.springframework.beans.factory.InitializingBean;

/**
 * Brings the schema up to date before anything uses it, and after the application's own
 * migrations.
 */
class SchemaInitializer implements InitializingBean {

	private final SchemaMigrator migrator;

	private final boolean migrate;

	SchemaInitializer(DataSources dataSources, PgQueueProperties properties) {
		this.migrator = new SchemaMigrator(dataSources.direct(), properties.schema(), EngineFunctions.SIGNATURES,
				SchemaMigrator.LOCATION);
		this.migrate = properties.migration().enabled();
	}

	@Override
	public void afterPropertiesSet() {
		if (this.migrate) {
			this.migrator.migrate();
		}
		else {
			this.migrator.check();
		}
	}

}
