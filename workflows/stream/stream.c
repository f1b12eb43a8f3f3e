/* Memory bandwidth: copy, scale, add and triad over three arrays, the kernels of J. D. McCalpin's STREAM benchmark.
 *
 * stream --elements N --passes P [--output FILE]
 *
 * Bandwidths count what the kernels name, as STREAM does: a cache that reads a line before it writes it moves more.
 * The first pass warms up and is not counted. FILE gets the arrays a, b and c, one after the other, as doubles.
 * After p passes, from a = 1, b = 2, c = 0 and s = 1/2:  a = 1.25^p,  b = s 1.25^(p-1),  c = (1 + s) 1.25^(p-1). */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define KERNELS 4
#define MAX_PASSES 1000
#define SCALAR 0.5

static const char *const NAMES[KERNELS] = {"copy", "scale", "add", "triad"};
static const int ARRAYS_MOVED[KERNELS] = {2, 2, 3, 3};

/* Visible from elsewhere, so that no compiler may move a kernel's stores past the reading of the clock. */
double *a, *b, *c;
size_t elements;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char *what, const char *which) {
    fprintf(stderr, "stream: %s %s\n", what, which);
    exit(2);
}

static long number(const char *option, const char *text, long least, long most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == 0 || *end != 0 || value < least || value > most) fail("no value for", option);
    return value;
}

static void fill(void) {
#pragma omp parallel for
    for (size_t i = 0; i < elements; i++) a[i] = 1.0, b[i] = 2.0, c[i] = 0.0;
}

static void copy(void) {
#pragma omp parallel for
    for (size_t i = 0; i < elements; i++) c[i] = a[i];
}

static void scale(void) {
#pragma omp parallel for
    for (size_t i = 0; i < elements; i++) b[i] = SCALAR * c[i];
}

static void add(void) {
#pragma omp parallel for
    for (size_t i = 0; i < elements; i++) c[i] = a[i] + b[i];
}

static void triad(void) {
#pragma omp parallel for
    for (size_t i = 0; i < elements; i++) a[i] = b[i] + SCALAR * c[i];
}

static void (*const RUN[KERNELS])(void) = {copy, scale, add, triad};

static int by_size(const void *left, const void *right) {
    int64_t x = *(const int64_t *)left, y = *(const int64_t *)right;
    return (x > y) - (x < y);
}

/* The lower median; sorts the times. */
static int64_t median(int64_t *times, int count) {
    qsort(times, (size_t)count, sizeof *times, by_size);
    return times[(count - 1) / 2];
}

static double bandwidth(int kernel, int64_t ns) {
    return (double)ARRAYS_MOVED[kernel] * sizeof(double) * (double)elements / (double)ns; /* bytes per ns: GB/s */
}

static uint64_t checksum(const double *array, uint64_t sum) {
    for (size_t i = 0; i < elements; i++) {
        uint64_t bits;
        memcpy(&bits, &array[i], sizeof bits);
        sum = (sum ^ bits) * 1099511628211u;
    }
    return sum;
}

static long last_cache(void) {
    long size = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (sysconf(_SC_LEVEL3_CACHE_SIZE) > size) size = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return size > 0 ? size : 0;
}

static void save(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) fail("cannot write", path);
    size_t written = 0;
    written += fwrite(a, sizeof *a, elements, file);
    written += fwrite(b, sizeof *b, elements, file);
    written += fwrite(c, sizeof *c, elements, file);
    if (fclose(file) || written != 3 * elements) fail("cannot write", path);
}

static void report(int64_t times[KERNELS + 1][MAX_PASSES], int passes) {
    int threads = 1;
#ifdef _OPENMP
    threads = omp_get_max_threads();
#endif
    uint64_t sum = checksum(c, checksum(b, checksum(a, 14695981039346656037u)));
    printf("{\"metric\": \"triad\", \"kernel_ns\": %lld, \"measures\": {", (long long)median(times[KERNELS], passes));
    for (int kernel = 0; kernel < KERNELS; kernel++) {
        double usual = bandwidth(kernel, median(times[kernel], passes)), best = bandwidth(kernel, times[kernel][0]);
        printf("%s\"%s\": {\"value\": %.4f, \"unit\": \"GB/s\"}", kernel ? ", " : "", NAMES[kernel], usual);
        printf(", \"%s-best\": {\"value\": %.4f, \"unit\": \"GB/s\"}", NAMES[kernel], best);
    }
    long bytes = (long)(elements * sizeof(double)), cache = last_cache();
    printf("}, \"checksum\": \"%016llx\", \"facts\": {\"elements\": %zu, \"passes\": %d, \"array_bytes\": %ld, "
           "\"last_cache_bytes\": %ld, \"threads\": %d}, \"notes\": [",
           (unsigned long long)sum, elements, passes + 1, bytes, cache, threads);
    if (cache > 0 && bytes / 4 < cache)
        printf("\"an array has %ld MB and the last cache %ld MB: below four times the cache this is not all memory\"",
               bytes / 1000000, cache / 1000000);
    printf("]}\n");
}

int main(int argc, char **argv) {
    const char *output = NULL;
    int passes = 10;
    elements = 10000000;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) fail("no value for", argv[i]);
        if (!strcmp(argv[i], "--elements")) elements = (size_t)number(argv[i], argv[i + 1], 1, 1000000000);
        else if (!strcmp(argv[i], "--passes")) passes = (int)number(argv[i], argv[i + 1], 2, MAX_PASSES);
        else if (!strcmp(argv[i], "--output")) output = argv[i + 1];
        else fail("unknown option", argv[i]);
    }
    a = malloc(elements * sizeof *a), b = malloc(elements * sizeof *b), c = malloc(elements * sizeof *c);
    if (!a || !b || !c) fail("not enough memory for", "the arrays");
    fill();
    static int64_t times[KERNELS + 1][MAX_PASSES];
    for (int pass = 0; pass < passes; pass++) {
        int64_t whole = 0;
        for (int kernel = 0; kernel < KERNELS; kernel++) {
            int64_t begin = now_ns();
            RUN[kernel]();
            int64_t spent = now_ns() - begin;
            whole += spent;
            if (pass) times[kernel][pass - 1] = spent > 0 ? spent : 1;
        }
        if (pass) times[KERNELS][pass - 1] = whole > 0 ? whole : 1;
    }
    if (output) save(output);
    report(times, passes - 1);
    return 0;
}
