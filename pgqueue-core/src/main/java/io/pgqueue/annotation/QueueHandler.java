package io.pgqueue.annotation;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

import org.springframework.messaging.handler.annotation.MessageMapping;

/**
 * Makes a method of a class with {@link QueueListener @QueueListener} handle the messages
 * of one logical type, for queues that carry several. The sender names the type with
 * {@link io.pgqueue.SendOptions#type(String)}; the class to read the payload as is always
 * that of the method's parameter.
 * <p>
 * A message without a type, or with one that no method names, goes to the default method.
 * Without one it is a dead letter at once.
 * <p>
 * The method takes what a method with {@code @QueueListener} may take, except for lists.
 */
@Target({ ElementType.METHOD, ElementType.ANNOTATION_TYPE })
@Retention(RetentionPolicy.RUNTIME)
@Documented
@MessageMapping
public @interface QueueHandler {

	/**
	 * The types that the method handles: several to give a type another name while
	 * messages with the old one are still under way. May contain <code>${...}</code> and
	 * <code>#{...}</code>. Not needed for the default method, nor for the only method of
	 * a class, which handles everything.
	 * @return names of types, such as {@code order-placed}
	 */
	String[] value() default {};

	/**
	 * Whether the method also handles the messages that no other method does.
	 * @return whether it does
	 */
	boolean isDefault() default false;

}
