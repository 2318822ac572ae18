package io.pgqueue.test;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Gives a test class (and the classes nested in it) an empty database of its own, to be
 * injected as a {@link TestDatabase}. Without a PostgreSQL to be found the tests fail;
 * they are never skipped.
 */
@Documented
@Inherited
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("postgres")
@ExtendWith(PgQueueDatabaseExtension.class)
public @interface PgQueueDatabase {

}
