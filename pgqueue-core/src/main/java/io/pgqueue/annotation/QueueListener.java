package io.pgqueue.annotation;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

import org.springframework.core.annotation.AliasFor;
import org.springframework.messaging.handler.annotation.MessageMapping;

/**
 * Makes a method of a bean handle the messages of a queue. The queue is created when the
 * application starts, if it is missing.
 * <p>
 * The method takes the payload, converted to the type of the parameter; or a
 * {@link io.pgqueue.QueueMessage} or {@link org.springframework.messaging.Message} of it;
 * or a {@code List} of any of these, which makes it a batch handler. Further parameters
 * may carry {@link org.springframework.messaging.handler.annotation.Header @Header} and
 * {@link org.springframework.messaging.handler.annotation.Headers @Headers}.
 * <p>
 * A message is acknowledged after the method has returned, or after the
 * {@code CompletionStage} that it returns is complete. If the method is transactional,
 * the acknowledgement commits inside its transaction. When it throws, the message is
 * delivered again later, and finally becomes a dead letter.
 * <p>
 * All attributes may contain <code>${...}</code> and <code>#{...}</code>.
 */
@Target({ ElementType.METHOD, ElementType.ANNOTATION_TYPE })
@Retention(RetentionPolicy.RUNTIME)
@Documented
@MessageMapping
public @interface QueueListener {

	/**
	 * Name of the queue.
	 * @return the name
	 */
	@AliasFor("queue")
	String value() default "";

	/**
	 * Name of the queue.
	 * @return the name
	 */
	@AliasFor("value")
	String queue() default "";

	/**
	 * Identity of the container in the registry; by default made of bean name and method
	 * name.
	 * @return the id
	 */
	String id() default "";

	/**
	 * How many messages, or batches, are handled at a time; by default
	 * {@code pgqueue.listener.concurrency}.
	 * @return a number
	 */
	String concurrency() default "";

	/**
	 * Most messages that are claimed at once, and most that a batch handler gets; by
	 * default {@code pgqueue.listener.batch-size}.
	 * @return a number
	 */
	String batchSize() default "";

	/**
	 * Longest time between two looks into the idle queue, as {@code 500ms} or
	 * {@code PT1S}; by default {@code pgqueue.listener.poll-interval}.
	 * @return a duration
	 */
	String pollInterval() default "";

	/**
	 * Whether the container starts with the application; by default
	 * {@code pgqueue.listener.auto-startup}.
	 * @return {@code true} or {@code false}
	 */
	String autoStartup() default "";

	/**
	 * When a message is acknowledged: {@code auto}, {@code transactional}, {@code manual}
	 * or {@code on-receive}, as explained at {@link io.pgqueue.AckMode}; {@code auto} by
	 * default.
	 * @return the name of a mode
	 */
	String ackMode() default "";

	/**
	 * How long a delivery may take before its handler is interrupted and it counts as
	 * failed, as {@code 30s} or {@code PT30S}; by default
	 * {@code pgqueue.listener.timeout}.
	 * @return a duration
	 */
	String timeout() default "";

	/**
	 * Name of the bean that opens the transactions of {@code ackMode = "transactional"};
	 * by default the only, or the primary, transaction manager.
	 * @return the name of a bean
	 */
	String transactionManager() default "";

}
