#include "fake.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One GPU, as an Orin would be, and its primary context. */

#define PRIMARY ((void *)0x1000)
#define DEPTH 64

static __thread void *stack[DEPTH];
static __thread int depth;

int need_context(void)
{
    return depth ? SUCCESS : INVALID_CONTEXT;
}

static int number(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags)
{
    return enter("cuInit", "\"flags\": %u", flags);
}

int cuDriverGetVersion(int *version)
{
    *version = number("FAKE_CUDA_VERSION", 12060);
    return enter("cuDriverGetVersion", "");
}

int cuDeviceGetCount(int *count)
{
    *count = 1;
    return enter("cuDeviceGetCount", "");
}

int cuDeviceGet(int *device, int ordinal)
{
    *device = 0;
    return enter("cuDeviceGet", "\"ordinal\": %d", ordinal);
}

int cuDeviceGetName(char *name, int length, int device)
{
    snprintf(name, length, "FakeOrin");
    return enter("cuDeviceGetName", "\"device\": %d", device);
}

int cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    *bytes = (size_t)1 << 33;
    return enter("cuDeviceTotalMem", "\"device\": %d", device);
}

int cuDeviceComputeCapability(int *major, int *minor, int device)
{
    int architecture = number("FAKE_CUDA_ARCHITECTURE", 87);
    *major = architecture / 10;
    *minor = architecture % 10;
    return enter("cuDeviceComputeCapability", "\"device\": %d", device);
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    int major, minor;
    int code = enter("cuDeviceGetAttribute", "\"attribute\": %d", attribute);
    cuDeviceComputeCapability(&major, &minor, device);
    *value = attribute == 16 ? 16 /* multiprocessors */
        : attribute == 75 ? major
        : attribute == 76 ? minor
        : attribute == 97 ? 166912 /* shared memory of a block, opted in */
        : 1;
    return code;
}

int cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = PRIMARY;
    return enter("cuDevicePrimaryCtxRetain", "\"device\": %d", device);
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    return enter("cuDevicePrimaryCtxRelease", "\"device\": %d, \"depth\": %d", device, depth);
}

int cuCtxPushCurrent_v2(void *context)
{
    int code = enter("cuCtxPushCurrent", "\"depth\": %d", depth);
    if (code || depth == DEPTH)
        return code ? code : OUT_OF_MEMORY;
    stack[depth++] = context;
    return SUCCESS;
}

int cuCtxPopCurrent_v2(void **context)
{
    int code = enter("cuCtxPopCurrent", "\"depth\": %d", depth);
    if (code || !depth)
        return code ? code : INVALID_CONTEXT;
    depth--;
    if (context)
        *context = stack[depth];
    return SUCCESS;
}

int cuCtxGetDevice(int *device)
{
    *device = 0;
    int code = enter("cuCtxGetDevice", "");
    return code ? code : need_context();
}

int cuCtxSynchronize(void)
{
    int code = enter("cuCtxSynchronize", "");
    return code ? code : need_context() ? INVALID_CONTEXT : may_wait();
}

int cuGetErrorName(int code, const char **name)
{
    *name = code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
        : code == INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE"
        : code == INVALID_CONTEXT ? "CUDA_ERROR_INVALID_CONTEXT"
        : code == INVALID_HANDLE ? "CUDA_ERROR_INVALID_HANDLE"
        : code == NOT_READY ? "CUDA_ERROR_NOT_READY"
        : code == COOPERATIVE_LAUNCH_TOO_LARGE ? "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"
        : code == STREAM_CAPTURE_UNSUPPORTED ? "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
        : code == STREAM_CAPTURE_INVALIDATED ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
        : NULL;
    return *name ? SUCCESS : INVALID_VALUE;
}

int cuGetErrorString(int code, const char **text)
{
    *text = code == OUT_OF_MEMORY ? "out of memory"
        : code == INVALID_VALUE ? "invalid argument"
        : code == INVALID_CONTEXT ? "invalid device context"
        : code == INVALID_HANDLE ? "invalid resource handle"
        : code == NOT_READY ? "device not ready"
        : code == COOPERATIVE_LAUNCH_TOO_LARGE ? "too many blocks in cooperative launch"
        : code == STREAM_CAPTURE_UNSUPPORTED ? "operation not permitted when stream is capturing"
        : code == STREAM_CAPTURE_INVALIDATED ? "operation failed due to a previous error during capture"
        : NULL;
    return *text ? SUCCESS : INVALID_VALUE;
}

/* How cuda-bindings finds functions: by the name without its version. */
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status)
{
    static const char *const suffixes[] = {"_v4", "_v3", "_v2", ""};
    char full[128];
    Dl_info here;
    dladdr((void *)cuInit, &here);
    void *library = dlopen(here.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *function = NULL;
    for (int i = 0; i < 4 && !*function; i++) {
        snprintf(full, sizeof full, "%s%s", name, suffixes[i]);
        *function = dlsym(library, full);
    }
    dlclose(library);
    if (status)
        *status = *function ? 0 : 1;
    (void)version, (void)flags;
    return *function ? SUCCESS : NOT_FOUND;
}
