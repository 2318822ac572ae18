package io.pgqueue.test;

/**
 * A database user that a test created.
 *
 * @param name its name
 * @param password its password
 */
public record TestUser(String name, String password) {
}
