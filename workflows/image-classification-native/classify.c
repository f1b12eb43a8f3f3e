/* Classifies samples with the shared library of ONNX Runtime that a Python wheel carries.
 *
 * classify --library libonnxruntime.so --model FILE.onnx --samples FILE.npy [--passes P] [--limit N] [--output FILE]
 *
 * One sample at a time, the first N of them, OMP_NUM_THREADS threads. The first pass over the samples warms up and is
 * not timed, unless it is the only one; what is timed is Run alone. FILE gets the outputs, float32, one sample after the other.
 *
 * The wheel has no headers. The few things used of its C interface are declared here: OrtGetApiBase gives a table of
 * functions in an order that never changes within or after the version asked for (onnxruntime_c_api.h, OrtApi). */
#define _POSIX_C_SOURCE 200809L

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define API_VERSION 13
#define MAX_PASSES 1000
#define MAX_DIMENSIONS 8

typedef struct Status Status;
typedef struct Env Env;
typedef struct Options Options;
typedef struct Session Session;
typedef struct Allocator Allocator;
typedef struct MemoryInfo MemoryInfo;
typedef struct Value Value;
typedef struct Shape Shape;
typedef void (*Function)(void);

typedef struct {
    const Function *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
} ApiBase;

enum { /* places in the table */
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_GRAPH_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_THREADS = 24,
    SET_INTER_OP_THREADS = 25,
    GET_INPUT_COUNT = 30,
    GET_OUTPUT_COUNT = 31,
    GET_INPUT_NAME = 36,
    GET_OUTPUT_NAME = 37,
    CREATE_TENSOR_WITH_DATA = 49,
    GET_TENSOR_DATA = 51,
    GET_ELEMENT_TYPE = 60,
    GET_ELEMENT_COUNT = 64,
    GET_TYPE_AND_SHAPE = 65,
    CREATE_CPU_MEMORY_INFO = 69,
    GET_DEFAULT_ALLOCATOR = 78,
    RELEASE_VALUE = 96,
    RELEASE_SHAPE = 99,
    ADD_CONFIG_ENTRY = 130
};
enum { FLOAT = 1, ENABLE_ALL = 99, LOG_ERRORS = 3, DEVICE_ALLOCATOR = 0, DEFAULT_MEMORY = 0 };

static const Function *api;

static void fail(const char *what, const char *which) {
    fprintf(stderr, "classify: %s %s\n", what, which);
    exit(2);
}

static void check(Status *status, const char *doing) {
    if (status) fail(doing, ((const char *(*)(const Status *))api[GET_ERROR_MESSAGE])(status));
}

static int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

typedef struct {
    int64_t dimensions[MAX_DIMENSIONS]; /* of one sample, the first of them 1 */
    size_t rank, count, length;         /* how many samples, floats in each */
    float *data;
} Samples;

/* A .npy file of format 1 or 2, little-endian float32 in C order (numpy/lib/format.py). */
static Samples read_samples(const char *path) {
    Samples samples = {.length = 1};
    unsigned char head[12];
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY", 6)) fail("no .npy file:", path);
    size_t length = head[8] + 256u * head[9];
    if (head[6] > 1 && fread(head + 10, 1, 2, file) == 2) length += 65536u * head[10] + 16777216u * head[11];
    char *text = calloc(length + 1, 1);
    if (!text || fread(text, 1, length, file) != length) fail("no .npy file:", path);
    char *shape = strstr(text, "'shape': (");
    if (!strstr(text, "'<f4'") || !strstr(text, "'fortran_order': False") || !shape) fail("not float32 rows:", path);
    for (shape += 10; *shape && *shape != ')' && samples.rank < MAX_DIMENSIONS; shape += strspn(shape, ", ")) {
        char *end;
        samples.dimensions[samples.rank++] = strtoll(shape, &end, 10);
        if (end == shape) fail("no shape in", path);
        shape = end;
    }
    if (!samples.rank || samples.dimensions[0] < 1) fail("no samples in", path);
    samples.count = (size_t)samples.dimensions[0];
    samples.dimensions[0] = 1;
    for (size_t i = 1; i < samples.rank; i++) samples.length *= (size_t)samples.dimensions[i];
    samples.data = malloc(samples.count * samples.length * sizeof(float));
    if (!samples.data) fail("not enough memory for", path);
    if (fread(samples.data, sizeof(float) * samples.length, samples.count, file) != samples.count)
        fail("shorter than it says:", path);
    fclose(file);
    free(text);
    return samples;
}

static const ApiBase *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) fail("cannot load the library:", dlerror());
    const ApiBase *(*base)(void);
    *(void **)&base = dlsym(library, "OrtGetApiBase");
    if (!base) fail("no OrtGetApiBase in", path);
    api = base()->get_api(API_VERSION);
    if (!api) fail("the library does not have this version of its interface:", path);
    return base();
}

static Session *open_session(const char *model, int threads) {
    Env *env;
    Options *options;
    Session *session;
    size_t inputs, outputs;
    check(((Status * (*)(int, const char *, Env **)) api[CREATE_ENV])(LOG_ERRORS, "classify", &env), "environment:");
    check(((Status * (*)(Options **)) api[CREATE_SESSION_OPTIONS])(&options), "options:");
    check(((Status * (*)(Options *, int)) api[SET_GRAPH_OPTIMIZATION_LEVEL])(options, ENABLE_ALL), "optimisation:");
    check(((Status * (*)(Options *, int)) api[SET_INTRA_OP_THREADS])(options, threads), "threads:");
    check(((Status * (*)(Options *, int)) api[SET_INTER_OP_THREADS])(options, 1), "threads:");
    Status *(*configure)(Options *, const char *, const char *) =
        (Status * (*)(Options *, const char *, const char *)) api[ADD_CONFIG_ENTRY];
    check(configure(options, "session.intra_op.allow_spinning", "0"), "spinning:");
    Status *(*create)(const Env *, const char *, const Options *, Session **) =
        (Status * (*)(const Env *, const char *, const Options *, Session **)) api[CREATE_SESSION];
    check(create(env, model, options, &session), "cannot load the model:");
    check(((Status * (*)(const Session *, size_t *)) api[GET_INPUT_COUNT])(session, &inputs), "inputs:");
    check(((Status * (*)(const Session *, size_t *)) api[GET_OUTPUT_COUNT])(session, &outputs), "outputs:");
    if (inputs != 1 || outputs != 1) fail("the model has not one input and one output:", model);
    return session;
}

static char *name_of(const Session *session, int place) {
    Allocator *allocator;
    char *name;
    check(((Status * (*)(Allocator **)) api[GET_DEFAULT_ALLOCATOR])(&allocator), "allocator:");
    Status *(*get)(const Session *, size_t, Allocator *, char **) =
        (Status * (*)(const Session *, size_t, Allocator *, char **)) api[place];
    check(get(session, 0, allocator, &name), "name:");
    return name;
}

static size_t classes_of(const Value *value) {
    Shape *shape;
    int type;
    size_t count;
    check(((Status * (*)(const Value *, Shape **)) api[GET_TYPE_AND_SHAPE])(value, &shape), "shape:");
    check(((Status * (*)(const Shape *, int *)) api[GET_ELEMENT_TYPE])(shape, &type), "type:");
    check(((Status * (*)(const Shape *, size_t *)) api[GET_ELEMENT_COUNT])(shape, &count), "count:");
    ((void (*)(Shape *))api[RELEASE_SHAPE])(shape);
    if (type != FLOAT || count == 0) fail("the output is not float32", "");
    return count;
}

static Value *tensor(Samples *samples, size_t index) {
    MemoryInfo *memory;
    Value *value;
    check(((Status * (*)(int, int, MemoryInfo **)) api[CREATE_CPU_MEMORY_INFO])(DEVICE_ALLOCATOR, DEFAULT_MEMORY, &memory),
          "memory:");
    Status *(*create)(const MemoryInfo *, void *, size_t, const int64_t *, size_t, int, Value **) =
        (Status * (*)(const MemoryInfo *, void *, size_t, const int64_t *, size_t, int, Value **))
            api[CREATE_TENSOR_WITH_DATA];
    check(create(memory, samples->data + index * samples->length, samples->length * sizeof(float), samples->dimensions,
                 samples->rank, FLOAT, &value),
          "tensor:");
    return value;
}

static int by_size(const void *left, const void *right) {
    int64_t x = *(const int64_t *)left, y = *(const int64_t *)right;
    return (x > y) - (x < y);
}

static uint64_t checksum(const float *values, size_t count) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        sum = (sum ^ bits) * 1099511628211u;
    }
    return sum;
}

int main(int argc, char **argv) {
    const char *library = NULL, *model = NULL, *file = NULL, *output = NULL;
    int passes = 5, limit = 0, threads = getenv("OMP_NUM_THREADS") ? atoi(getenv("OMP_NUM_THREADS")) : 1;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) fail("no value for", argv[i]);
        if (!strcmp(argv[i], "--library")) library = argv[i + 1];
        else if (!strcmp(argv[i], "--model")) model = argv[i + 1];
        else if (!strcmp(argv[i], "--samples")) file = argv[i + 1];
        else if (!strcmp(argv[i], "--passes")) passes = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--limit")) limit = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--output")) output = argv[i + 1];
        else fail("unknown option", argv[i]);
    }
    if (!library || !model || !file || passes < 1 || passes > MAX_PASSES)
        fail("give --library, --model, --samples,", "and 1 to 1000 --passes");
    Samples samples = read_samples(file);
    if (limit > 0 && (size_t)limit < samples.count) samples.count = (size_t)limit;
    int64_t begin = now_ns();
    const ApiBase *base = load(library);
    Session *session = open_session(model, threads);
    double load_ms = (double)(now_ns() - begin) / 1e6;
    const char *inputs[] = {name_of(session, GET_INPUT_NAME)}, *outputs[] = {name_of(session, GET_OUTPUT_NAME)};
    Status *(*run)(Session *, const void *, const char *const *, const Value *const *, size_t, const char *const *,
                   size_t, Value **) =
        (Status * (*)(Session *, const void *, const char *const *, const Value *const *, size_t, const char *const *,
                      size_t, Value **)) api[RUN];
    Value **values = calloc(samples.count, sizeof *values);
    int64_t *times = calloc((size_t)passes * samples.count, sizeof *times);
    float *answers = NULL;
    size_t classes = 0, timed = 0;
    if (!values || !times) fail("not enough memory for", "the times");
    for (size_t i = 0; i < samples.count; i++) values[i] = tensor(&samples, i);
    for (int pass = 0; pass < passes; pass++)
        for (size_t i = 0; i < samples.count; i++) {
            const Value *const given[] = {values[i]};
            Value *result = NULL;
            float *data;
            int64_t start = now_ns();
            check(run(session, NULL, inputs, given, 1, outputs, 1, &result), "run:");
            int64_t spent = now_ns() - start;
            if (pass || passes == 1) times[timed++] = spent > 0 ? spent : 1;
            check(((Status * (*)(Value *, void **)) api[GET_TENSOR_DATA])(result, (void **)&data), "output:");
            if (!answers) {
                classes = classes_of(result);
                answers = calloc(samples.count * classes, sizeof *answers);
                if (!answers) fail("not enough memory for", "the answers");
            }
            memcpy(answers + i * classes, data, classes * sizeof *answers);
            ((void (*)(Value *))api[RELEASE_VALUE])(result);
        }
    if (output) {
        FILE *to = fopen(output, "wb");
        if (!to) fail("cannot write", output);
        size_t written = fwrite(answers, sizeof *answers, samples.count * classes, to);
        if (fclose(to) || written != samples.count * classes) fail("cannot write", output);
    }
    qsort(times, timed, sizeof *times, by_size);
    printf("{\"metric\": \"\", \"kernel_ns\": %lld, \"measures\": {\"load\": {\"value\": %.3f, \"unit\": \"ms\"}, "
           "\"fastest\": {\"value\": %.4f, \"unit\": \"ms\"}, \"slowest\": {\"value\": %.4f, \"unit\": \"ms\"}}, "
           "\"checksum\": \"%016llx\", \"facts\": {\"onnxruntime\": \"%s\", \"sample_count\": %zu, \"classes\": %zu, "
           "\"passes\": %d, \"threads\": %d}, \"notes\": []}\n",
           (long long)times[(timed - 1) / 2], load_ms, (double)times[0] / 1e6, (double)times[timed - 1] / 1e6,
           (unsigned long long)checksum(answers, samples.count * classes), base->get_version(), samples.count, classes,
           passes, threads);
    fflush(stdout);
    return 0;
}
