package io.pgqueue.annotation;

import java.lang.reflect.Method;
import java.util.List;

/**
 * A listener as it was found on a class, before its attributes are resolved.
 *
 * @param listener the annotation, attributes of composed ones merged
 * @param type the class
 * @param name the method, with parameters if it is overloaded; empty for the class itself
 * @param repeated whether there are more annotations in the same place
 * @param methods the method with the annotation; or, if the class has it, those with
 * {@link QueueHandler @QueueHandler}
 */
record ListenerEndpoint(QueueListener listener, Class<?> type, String name, boolean repeated, List<Method> methods) {

	/**
	 * Tells whether the class has the annotation.
	 */
	boolean ofClass() {
		return this.name.isEmpty();
	}

	/**
	 * Names the listener in messages.
	 */
	String describe() {
		return "@QueueListener " + label(this.type.getSimpleName(), this.listener.queue());
	}

	/**
	 * Returns the id of its container unless the annotation gives one.
	 */
	String defaultId(String beanName, String queue) {
		return label(beanName, queue);
	}

	private String label(String owner, String queue) {
		return owner + (this.name.isEmpty() ? "" : ".") + this.name + (this.repeated ? "[" + queue + "]" : "");
	}

}
