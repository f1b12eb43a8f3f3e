/* C = A x B for square matrices of doubles.
 *
 * matmul --variant naive|blocked|openmp --size N --passes P [--output FILE]
 *
 * The entries of A, row by row, and then of B come from one generator: x' = 6364136223846793005 x +
 * 1442695040888963407 modulo 2^64 from x = 42 (Knuth's MMIX), of which the upper 24 bits, less 2^23, are divided by
 * 2^23: in [-1, 1), and exact. The first pass warms up and is not counted. FILE gets C, row by row. */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define BLOCK 64
#define MAX_PASSES 1000

/* Visible from elsewhere, so that no compiler may move the products past the reading of the clock. */
double *a, *b, *c;
size_t size;

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void fail(const char *what, const char *which) {
    fprintf(stderr, "matmul: %s %s\n", what, which);
    exit(2);
}

static long number(const char *option, const char *text, long least, long most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == 0 || *end != 0 || value < least || value > most) fail("no value for", option);
    return value;
}

static double next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 40) - 8388608.0) / 8388608.0;
}

static void naive(void) {
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < size; j++) {
            double sum = 0;
            for (size_t k = 0; k < size; k++) sum += a[i * size + k] * b[k * size + j];
            c[i * size + j] = sum;
        }
}

static size_t least(size_t x, size_t y) { return x < y ? x : y; }

/* The rows from i to BLOCK further, of which c is zero before. */
static void rows(size_t i0) {
    for (size_t k0 = 0; k0 < size; k0 += BLOCK)
        for (size_t j0 = 0; j0 < size; j0 += BLOCK)
            for (size_t i = i0; i < least(i0 + BLOCK, size); i++)
                for (size_t k = k0; k < least(k0 + BLOCK, size); k++) {
                    const double factor = a[i * size + k];
                    const double *restrict from = &b[k * size];
                    double *restrict to = &c[i * size];
                    for (size_t j = j0, end = least(j0 + BLOCK, size); j < end; j++) to[j] += factor * from[j];
                }
}

static void blocked(void) {
    memset(c, 0, size * size * sizeof *c);
    for (size_t i = 0; i < size; i += BLOCK) rows(i);
}

#ifdef _OPENMP
static void openmp(void) {
    memset(c, 0, size * size * sizeof *c);
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < size; i += BLOCK) rows(i);
}
#endif

typedef void (*Multiply)(void);

static Multiply variant(const char *name) {
    if (!strcmp(name, "naive")) return naive;
    if (!strcmp(name, "blocked")) return blocked;
#ifdef _OPENMP
    if (!strcmp(name, "openmp")) return openmp;
#endif
    fail("compiled without the variant (openmp needs --set openmp=true)", name);
    return NULL;
}

static int by_size(const void *left, const void *right) {
    int64_t x = *(const int64_t *)left, y = *(const int64_t *)right;
    return (x > y) - (x < y);
}

static uint64_t checksum(void) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < size * size; i++) {
        uint64_t bits;
        memcpy(&bits, &c[i], sizeof bits);
        sum = (sum ^ bits) * 1099511628211u;
    }
    return sum;
}

static void save(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) fail("cannot write", path);
    size_t written = fwrite(c, sizeof *c, size * size, file);
    if (fclose(file) || written != size * size) fail("cannot write", path);
}

int main(int argc, char **argv) {
    const char *output = NULL, *name = "blocked";
    int passes = 3;
    size = 512;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) fail("no value for", argv[i]);
        if (!strcmp(argv[i], "--size")) size = (size_t)number(argv[i], argv[i + 1], 1, 20000);
        else if (!strcmp(argv[i], "--passes")) passes = (int)number(argv[i], argv[i + 1], 2, MAX_PASSES);
        else if (!strcmp(argv[i], "--variant")) name = argv[i + 1];
        else if (!strcmp(argv[i], "--output")) output = argv[i + 1];
        else fail("unknown option", argv[i]);
    }
    Multiply multiply = variant(name);
    a = malloc(size * size * sizeof *a), b = malloc(size * size * sizeof *b), c = malloc(size * size * sizeof *c);
    if (!a || !b || !c) fail("not enough memory for", "the matrices");
    uint64_t state = 42;
    for (size_t i = 0; i < size * size; i++) a[i] = next(&state);
    for (size_t i = 0; i < size * size; i++) b[i] = next(&state);
    static int64_t times[MAX_PASSES];
    for (int pass = 0; pass < passes; pass++) {
        int64_t begin = now_ns();
        multiply();
        int64_t spent = now_ns() - begin;
        if (pass) times[pass - 1] = spent > 0 ? spent : 1;
    }
    if (output) save(output);
    qsort(times, (size_t)passes - 1, sizeof *times, by_size);
    int64_t usual = times[(passes - 2) / 2];
    double operations = 2.0 * (double)size * (double)size * (double)size;
    int threads = 1;
#ifdef _OPENMP
    if (multiply == openmp) threads = omp_get_max_threads();
#endif
    printf("{\"metric\": \"speed\", \"kernel_ns\": %lld, \"measures\": {\"speed\": {\"value\": %.4f, \"unit\": "
           "\"GFLOP/s\"}, \"speed-best\": {\"value\": %.4f, \"unit\": \"GFLOP/s\"}}, \"checksum\": \"%016llx\", "
           "\"facts\": {\"variant\": \"%s\", \"size\": %zu, \"passes\": %d, \"threads\": %d}, \"notes\": []}\n",
           (long long)usual, operations / (double)usual, operations / (double)times[0],
           (unsigned long long)checksum(), name, size, passes, threads);
    return 0;
}
