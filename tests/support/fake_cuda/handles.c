#include "fake.h"
#include <pthread.h>

#define MOST 4096

static struct {
    enum kind kind;
    char *thing;
    size_t size;
} table[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void *adopt(enum kind kind, void *thing, size_t size)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; i++)
        if (!table[i].kind) {
            table[i].kind = kind;
            table[i].thing = thing;
            table[i].size = size;
            break;
        }
    pthread_mutex_unlock(&lock);
    return thing;
}

static int index_of(enum kind kind, const void *thing)
{
    for (int i = 0; i < MOST; i++)
        if (table[i].kind == kind && table[i].thing == thing)
            return i;
    return -1;
}

int alive(enum kind kind, const void *thing)
{
    pthread_mutex_lock(&lock);
    int index = index_of(kind, thing);
    pthread_mutex_unlock(&lock);
    return index >= 0;
}

int disown(enum kind kind, const void *thing)
{
    pthread_mutex_lock(&lock);
    int index = index_of(kind, thing);
    if (index >= 0)
        table[index].kind = 0;
    pthread_mutex_unlock(&lock);
    return index >= 0;
}

int within(enum kind kind, const void *start, size_t size)
{
    const char *from = start;
    int found = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < MOST; i++)
        found |= table[i].kind == kind && from >= table[i].thing &&
                 from + size <= table[i].thing + table[i].size;
    pthread_mutex_unlock(&lock);
    return found;
}

int live_count(void)
{
    int count = 0;
    for (int i = 0; i < MOST; i++)
        count += table[i].kind != 0;
    return count;
}
