#include "fake.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int failing_calls;

static int code_to_return(const char *name)
{
    const char *fail = getenv("FAKE_CUDA_FAIL");
    char wanted[128];
    int from, code;
    if (!fail || sscanf(fail, "%127[^:]:%d:%d", wanted, &from, &code) != 3 || strcmp(wanted, name))
        return SUCCESS;
    return ++failing_calls >= from ? code : SUCCESS;
}

int enter(const char *name, const char *format, ...)
{
    pthread_mutex_lock(&lock);
    int code = code_to_return(name);
    const char *path = getenv("FAKE_CUDA_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) {
        va_list rest;
        va_start(rest, format);
        fprintf(file, "{\"call\": \"%s\", \"thread\": %ld, \"code\": %d", name,
                syscall(SYS_gettid), code);
        if (*format)
            fprintf(file, ", ");
        vfprintf(file, format, rest);
        fprintf(file, "}\n");
        fclose(file);
        va_end(rest);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

void write_hex(char *text, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sprintf(text + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
    text[2 * count] = 0;
}

__attribute__((destructor)) static void leave(void)
{
    enter("exit", "\"alive\": %d", live_count());
}
