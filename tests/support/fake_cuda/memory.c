#include "fake.h"
#include <stdlib.h>
#include <string.h>

/* Device memory is host memory. Fresh memory holds 0xCD, so that nobody relies on zeros. */

#define FRESH 0xCD

static int allocate(enum kind kind, void **memory, size_t alignment, size_t size)
{
    if (!size)
        return INVALID_VALUE;
    if (need_context())
        return INVALID_CONTEXT;
    if (may_wait())
        return STREAM_CAPTURE_UNSUPPORTED;
    if (posix_memalign(memory, alignment, size))
        return OUT_OF_MEMORY;
    memset(*memory, FRESH, size);
    adopt(kind, *memory, size);
    return SUCCESS;
}

static int give_back(enum kind kind, void *memory)
{
    if (need_context())
        return INVALID_CONTEXT;
    if (!disown(kind, memory))
        return INVALID_VALUE;
    free(memory);
    return SUCCESS;
}

int cuMemAlloc_v2(void **memory, size_t size)
{
    int code = enter("cuMemAlloc", "\"size\": %zu", size);
    return code ? code : allocate(DEVICE_MEMORY, memory, 512, size);
}

int cuMemFree_v2(void *memory)
{
    int code = enter("cuMemFree", "\"pointer\": %zu", (size_t)memory);
    return code ? code : give_back(DEVICE_MEMORY, memory);
}

int cuMemHostAlloc(void **memory, size_t size, unsigned flags)
{
    int code = enter("cuMemHostAlloc", "\"size\": %zu, \"flags\": %u", size, flags);
    return code ? code : allocate(HOST_MEMORY, memory, 4096, size);
}

int cuMemFreeHost(void *memory)
{
    int code = enter("cuMemFreeHost", "\"pointer\": %zu", (size_t)memory);
    return code ? code : give_back(HOST_MEMORY, memory);
}

int cuMemHostGetDevicePointer_v2(void **pointer, void *memory, unsigned flags)
{
    *pointer = memory;
    return enter("cuMemHostGetDevicePointer", "\"flags\": %u", flags);
}

static int copy(const char *name, void *device, void *to, const void *from, size_t size, void *stream)
{
    int code = enter(name, "\"size\": %zu, \"stream\": %zu", size, (size_t)stream);
    if (code)
        return code;
    if (!within(DEVICE_MEMORY, device, size))
        return INVALID_VALUE;
    return submit(stream, (struct work){.kind = COPY, .to = to, .from = from, .size = size});
}

int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t size, void *stream)
{
    return copy("cuMemcpyHtoDAsync", to, to, from, size, stream);
}

int cuMemcpyDtoHAsync_v2(void *to, void *from, size_t size, void *stream)
{
    return copy("cuMemcpyDtoHAsync", from, to, from, size, stream);
}

int cuMemcpyHtoD_v2(void *to, const void *from, size_t size)
{
    return copy("cuMemcpyHtoD", to, to, from, size, NULL);
}

int cuMemcpyDtoH_v2(void *to, void *from, size_t size)
{
    return copy("cuMemcpyDtoH", from, to, from, size, NULL);
}

int cuMemsetD8Async(void *to, unsigned char value, size_t size, void *stream)
{
    int code = enter("cuMemsetD8Async", "\"size\": %zu, \"value\": %d", size, value);
    if (code)
        return code;
    if (!within(DEVICE_MEMORY, to, size))
        return INVALID_VALUE;
    return submit(stream, (struct work){.kind = FILL, .to = to, .value = value, .size = size});
}
