package io.pgqueue.listener;

import java.lang.annotation.Annotation;
import java.lang.reflect.AnnotatedParameterizedType;
import java.lang.reflect.AnnotatedType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

import io.pgqueue.InvalidConfigurationException;
import io.pgqueue.InvalidPayloadException;
import org.jspecify.annotations.Nullable;

import org.springframework.core.MethodParameter;
import org.springframework.validation.BeanPropertyBindingResult;
import org.springframework.validation.FieldError;
import org.springframework.validation.ObjectError;
import org.springframework.validation.SmartValidator;
import org.springframework.validation.Validator;
import org.springframework.validation.annotation.ValidationAnnotationUtils;

/**
 * Checks payloads for a parameter with {@code @Valid} or {@code @Validated}. Each message
 * by itself, so that one of them does not spoil its batch.
 */
final class PayloadValidation {

	private static final String OBJECT = "payload";

	private final Validator validator;

	private final Object[] hints;

	private PayloadValidation(Validator validator, Object[] hints) {
		this.validator = validator;
		this.hints = hints;
	}

	/**
	 * Looks for an annotation on a parameter, or on what a list or message has as its
	 * type argument.
	 * @return what validates, or null if there is no annotation
	 * @throws InvalidConfigurationException if there is one, but no validator
	 */
	static @Nullable PayloadValidation of(@Nullable MethodParameter parameter, @Nullable Validator validator) {
		Object[] hints = (parameter != null) ? hints(parameter) : null;
		if (hints == null) {
			return null;
		}
		if (validator == null) {
			throw new InvalidConfigurationException("The payload is to be validated, but there is no single or primary"
					+ " bean of type " + Validator.class.getName() + ": add spring-boot-starter-validation");
		}
		return new PayloadValidation(validator, hints);
	}

	private static Object @Nullable [] hints(MethodParameter parameter) {
		List<Annotation> annotations = new ArrayList<>(List.of(parameter.getParameterAnnotations()));
		AnnotatedType type = parameter.getExecutable().getAnnotatedParameterTypes()[parameter.getParameterIndex()];
		while (type instanceof AnnotatedParameterizedType generic
				&& generic.getAnnotatedActualTypeArguments().length == 1) {
			type = generic.getAnnotatedActualTypeArguments()[0];
			annotations.addAll(List.of(type.getAnnotations()));
		}
		for (Annotation annotation : annotations) {
			Object[] hints = ValidationAnnotationUtils.determineValidationHints(annotation);
			if (hints != null) {
				return hints;
			}
		}
		return null;
	}

	/**
	 * Checks a payload.
	 * @throws InvalidPayloadException if it is not valid
	 */
	void validate(Object payload) {
		Object target = (payload instanceof Optional<?> optional) ? optional.orElse(null) : payload;
		if (target == null) {
			return;
		}
		BeanPropertyBindingResult errors = new BeanPropertyBindingResult(target, OBJECT);
		if (this.hints.length > 0 && this.validator instanceof SmartValidator smart) {
			smart.validate(target, errors, this.hints);
		}
		else {
			this.validator.validate(target, errors);
		}
		if (errors.hasErrors()) {
			throw new InvalidPayloadException("The payload is not valid: " + errors.getAllErrors()
				.stream()
				.map(PayloadValidation::describe)
				.sorted()
				.distinct()
				.limit(20)
				.collect(Collectors.joining(", ")));
		}
	}

	// Messages of constraints quote what they refuse, and keys of maps are data too.
	private static String describe(ObjectError error) {
		String name = (error instanceof FieldError field)
				? field.getField().replaceAll("\\[(?!\\d+\\])[^\\]]*\\]", "[...]") : OBJECT;
		return (error.getCode() != null) ? name + " (" + error.getCode() + ")" : name;
	}

}
