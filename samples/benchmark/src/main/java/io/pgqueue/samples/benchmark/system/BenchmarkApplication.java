package io.pgqueue.samples.benchmark.system;

import org.springframework.boot.autoconfigure.SpringBootApplication;

/**
 * The application that uses the library.
 */
@SpringBootApplication
class BenchmarkApplication {

}
