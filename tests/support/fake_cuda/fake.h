/* A CUDA driver without a GPU: what its files share. Needs no header of NVIDIA. */
#pragma once
#include <stdint.h>
#include <stddef.h>

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    COOPERATIVE_LAUNCH_TOO_LARGE = 720,
    NOT_SUPPORTED = 801,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
};

enum kind { DEVICE_MEMORY = 1, HOST_MEMORY, STREAM, EVENT, MODULE, GRAPH, EXECUTABLE_GRAPH };

#pragma GCC visibility push(hidden)

/* log.c: every call is one line of JSON in the file FAKE_CUDA_LOG. FAKE_CUDA_FAIL=name:n:code makes
   a function return a code from its n-th call on. */
int enter(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void write_hex(char *text, const void *bytes, size_t count);

/* handles.c: what is alive */
void *adopt(enum kind kind, void *thing, size_t size);
int alive(enum kind kind, const void *thing);
int disown(enum kind kind, const void *thing);
int within(enum kind kind, const void *start, size_t size);
int live_count(void);

/* cubin.c: the parameters of a kernel, as its cubin tells them */
struct kernel {
    char name[256];
    int count, threads;
    unsigned short offset[128];
    unsigned size[128], total;
};
size_t image_size(const void *image);
int find_kernel(const void *image, const char *name, struct kernel *found);

/* streams.c: work runs at once, or is recorded while its stream is captured */
struct work {
    enum { COPY, FILL, LAUNCH } kind;
    void *to;
    const void *from;
    unsigned char value;
    size_t size;
};
int submit(void *stream, struct work work);
int may_wait(void);

/* context.c */
int need_context(void);

#pragma GCC visibility pop
