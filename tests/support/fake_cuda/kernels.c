#include "fake.h"
#include <stdlib.h>
#include <string.h>

/* Kernels are not run: a launch logs the exact bytes of its arguments. */

#define BLOCKS_PER_MULTIPROCESSOR 2
#define MULTIPROCESSORS 16
#define BUFFER_POINTER ((void *)1)

struct module {
    void *image;
    struct kernel *kernels[64];
    int count;
};

static int load(const char *name, void **module, const void *image)
{
    char magic[9];
    write_hex(magic, image, 4);
    int code = enter(name, "\"magic\": \"%s\"", magic);
    if (code || need_context())
        return code ? code : INVALID_CONTEXT;
    if (memcmp(image, "\177ELF", 4))
        return INVALID_IMAGE;
    struct module *made = adopt(MODULE, calloc(1, sizeof(struct module)), 0);
    made->image = memcpy(malloc(image_size(image)), image, image_size(image));
    *module = made;
    return SUCCESS;
}

int cuModuleLoadData(void **module, const void *image)
{
    return load("cuModuleLoadData", module, image);
}

int cuModuleLoadDataEx(void **module, const void *image, unsigned count, void *names, void *values)
{
    (void)count, (void)names, (void)values;
    return load("cuModuleLoadDataEx", module, image);
}

int cuModuleUnload(struct module *module)
{
    int code = enter("cuModuleUnload", "");
    if (code || !disown(MODULE, module))
        return code ? code : INVALID_HANDLE;
    for (int i = 0; i < module->count; i++)
        free(module->kernels[i]);
    free(module->image);
    free(module);
    return SUCCESS;
}

int cuModuleGetFunction(struct kernel **function, struct module *module, const char *name)
{
    int code = enter("cuModuleGetFunction", "\"name\": \"%s\"", name);
    if (code || !alive(MODULE, module))
        return code ? code : INVALID_HANDLE;
    struct kernel *found = malloc(sizeof *found);
    if (!find_kernel(module->image, name, found)) {
        free(found);
        return NOT_FOUND;
    }
    *function = module->kernels[module->count++] = found;
    return SUCCESS;
}

int cuFuncSetAttribute(struct kernel *function, int attribute, int value)
{
    return enter("cuFuncSetAttribute", "\"kernel\": \"%s\", \"attribute\": %d, \"value\": %d",
                 function->name, attribute, value);
}

int cuFuncGetAttribute(int *value, int attribute, struct kernel *function)
{
    *value = 0;
    return enter("cuFuncGetAttribute", "\"kernel\": \"%s\", \"attribute\": %d", function->name,
                 attribute);
}

int cuFuncSetBlockShape(struct kernel *function, int x, int y, int z)
{
    return enter("cuFuncSetBlockShape", "\"kernel\": \"%s\", \"block\": [%d, %d, %d]",
                 function->name, x, y, z);
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, struct kernel *function, int threads,
                                                size_t shared)
{
    *blocks = BLOCKS_PER_MULTIPROCESSOR;
    return enter("cuOccupancyMaxActiveBlocksPerMultiprocessor",
                 "\"kernel\": \"%s\", \"threads\": %d, \"shared\": %zu", function->name, threads,
                 shared);
}

static int launch(const char *name, struct kernel *function, const unsigned *grid,
                  const unsigned *block, unsigned shared, void *stream, void **parameters,
                  void **extra)
{
    unsigned char packed[4096] = {0};
    char text[2 * sizeof packed + 1];
    size_t size = function->total;
    if (extra && extra[0] == BUFFER_POINTER) {
        size = *(size_t *)extra[3];
        memcpy(packed, extra[1], size);
    } else {
        for (int i = 0; i < function->count; i++)
            memcpy(packed + function->offset[i], parameters[i], function->size[i]);
    }
    write_hex(text, packed, size);
    int code = enter(name,
                     "\"kernel\": \"%s\", \"grid\": [%u, %u, %u], \"block\": [%u, %u, %u], "
                     "\"shared\": %u, \"stream\": %zu, \"arguments\": \"%s\"",
                     function->name, grid[0], grid[1], grid[2], block[0], block[1], block[2],
                     shared, (size_t)stream, text);
    return code ? code : submit(stream, (struct work){.kind = LAUNCH});
}

int cuLaunchKernel(struct kernel *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                   unsigned by, unsigned bz, unsigned shared, void *stream, void **parameters,
                   void **extra)
{
    unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    return launch("cuLaunchKernel", function, grid, block, shared, stream, parameters, extra);
}

int cuLaunchCooperativeKernel(struct kernel *function, unsigned gx, unsigned gy, unsigned gz,
                              unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream,
                              void **parameters)
{
    unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    int code = launch("cuLaunchCooperativeKernel", function, grid, block, shared, stream,
                      parameters, NULL);
    if (gx * gy * gz > BLOCKS_PER_MULTIPROCESSOR * MULTIPROCESSORS)
        return COOPERATIVE_LAUNCH_TOO_LARGE;
    return code;
}
