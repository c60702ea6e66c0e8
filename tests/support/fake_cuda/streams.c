#include "fake.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_WORK 256
#define DISABLE_TIMING 2

struct graph {
    int count;
    struct work work[MOST_WORK];
};
struct stream {
    int broken;
    struct graph *captured;
};
struct event {
    unsigned flags;
    struct timespec when;
};

static __thread int capturing; /* by this thread, as in the mode thread-local */
static __thread struct stream *captured_stream;

static void run(const struct work *work)
{
    if (work->kind == COPY)
        memcpy(work->to, work->from, work->size);
    else if (work->kind == FILL)
        memset(work->to, work->value, work->size);
}

int submit(void *handle, struct work work)
{
    struct stream *stream = handle;
    if (need_context())
        return INVALID_CONTEXT;
    if (stream && !alive(STREAM, stream))
        return INVALID_HANDLE;
    if (stream && stream->captured && stream->captured->count < MOST_WORK)
        stream->captured->work[stream->captured->count++] = work;
    else
        run(&work);
    return SUCCESS;
}

/* What would wait breaks a capture by the same thread. */
int may_wait(void)
{
    if (!capturing)
        return SUCCESS;
    captured_stream->broken = 1;
    return STREAM_CAPTURE_UNSUPPORTED;
}

int cuStreamCreate(void **stream, unsigned flags)
{
    int code = enter("cuStreamCreate", "\"flags\": %u", flags);
    if (code || need_context())
        return code ? code : INVALID_CONTEXT;
    *stream = adopt(STREAM, calloc(1, sizeof(struct stream)), 0);
    return SUCCESS;
}

int cuStreamDestroy_v2(void *stream)
{
    int code = enter("cuStreamDestroy", "\"stream\": %zu", (size_t)stream);
    if (code || !disown(STREAM, stream))
        return code ? code : INVALID_HANDLE;
    free(stream);
    return SUCCESS;
}

int cuStreamSynchronize(void *stream)
{
    int code = enter("cuStreamSynchronize", "\"stream\": %zu", (size_t)stream);
    return code ? code : alive(STREAM, stream) ? may_wait() : INVALID_HANDLE;
}

int cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    int code = enter("cuStreamWaitEvent", "\"stream\": %zu, \"event\": %zu, \"flags\": %u",
                     (size_t)stream, (size_t)event, flags);
    return code ? code : alive(STREAM, stream) && alive(EVENT, event) ? SUCCESS : INVALID_HANDLE;
}

int cuEventCreate(void **event, unsigned flags)
{
    int code = enter("cuEventCreate", "\"flags\": %u", flags);
    if (code || need_context())
        return code ? code : INVALID_CONTEXT;
    struct event *made = adopt(EVENT, calloc(1, sizeof(struct event)), 0);
    made->flags = flags;
    *event = made;
    return SUCCESS;
}

int cuEventDestroy_v2(void *event)
{
    int code = enter("cuEventDestroy", "\"event\": %zu", (size_t)event);
    if (code || !disown(EVENT, event))
        return code ? code : INVALID_HANDLE;
    free(event);
    return SUCCESS;
}

int cuEventRecord(void *event, void *stream)
{
    int code = enter("cuEventRecord", "\"event\": %zu, \"stream\": %zu", (size_t)event,
                     (size_t)stream);
    if (code || !alive(EVENT, event) || !alive(STREAM, stream))
        return code ? code : INVALID_HANDLE;
    clock_gettime(CLOCK_MONOTONIC, &((struct event *)event)->when);
    return SUCCESS;
}

int cuEventSynchronize(void *event)
{
    int code = enter("cuEventSynchronize", "\"event\": %zu", (size_t)event);
    return code ? code : alive(EVENT, event) ? may_wait() : INVALID_HANDLE;
}

int cuEventElapsedTime(float *milliseconds, struct event *start, struct event *end)
{
    int code = enter("cuEventElapsedTime", "");
    if (code || !alive(EVENT, start) || !alive(EVENT, end))
        return code ? code : INVALID_HANDLE;
    if ((start->flags | end->flags) & DISABLE_TIMING || !start->when.tv_sec || !end->when.tv_sec)
        return INVALID_HANDLE;
    *milliseconds = 1e3 * (end->when.tv_sec - start->when.tv_sec) +
        1e-6 * (end->when.tv_nsec - start->when.tv_nsec);
    return SUCCESS;
}

int cuEventElapsedTime_v2(float *milliseconds, struct event *start, struct event *end)
{
    return cuEventElapsedTime(milliseconds, start, end);
}

int cuStreamBeginCapture_v2(struct stream *stream, int mode)
{
    int code = enter("cuStreamBeginCapture", "\"stream\": %zu, \"mode\": %d", (size_t)stream, mode);
    if (code || !alive(STREAM, stream))
        return code ? code : INVALID_HANDLE;
    if (stream->captured)
        return ILLEGAL_STATE;
    stream->captured = calloc(1, sizeof(struct graph));
    stream->broken = 0;
    capturing = 1;
    captured_stream = stream;
    return SUCCESS;
}

int cuStreamEndCapture(struct stream *stream, void **graph)
{
    int code = enter("cuStreamEndCapture", "\"stream\": %zu", (size_t)stream);
    *graph = NULL;
    capturing = 0;
    if (!alive(STREAM, stream) || !stream->captured)
        return INVALID_HANDLE;
    struct graph *captured = stream->captured;
    stream->captured = NULL;
    if (code || stream->broken) {
        free(captured);
        return code ? code : STREAM_CAPTURE_INVALIDATED;
    }
    *graph = adopt(GRAPH, captured, 0);
    return SUCCESS;
}

int cuGraphInstantiateWithFlags(void **executable, struct graph *graph, unsigned long long flags)
{
    int code = enter("cuGraphInstantiate", "\"works\": %d, \"flags\": %llu",
                     alive(GRAPH, graph) ? graph->count : -1, flags);
    if (code || !alive(GRAPH, graph))
        return code ? code : INVALID_HANDLE;
    struct graph *copy = malloc(sizeof *copy);
    *copy = *graph;
    *executable = adopt(EXECUTABLE_GRAPH, copy, 0);
    return SUCCESS;
}

int cuGraphLaunch(struct graph *executable, void *stream)
{
    int code = enter("cuGraphLaunch", "\"stream\": %zu", (size_t)stream);
    if (code || !alive(EXECUTABLE_GRAPH, executable) || !alive(STREAM, stream))
        return code ? code : INVALID_HANDLE;
    for (int i = 0; i < executable->count; i++)
        run(&executable->work[i]);
    return SUCCESS;
}

int cuGraphDestroy(void *graph)
{
    int code = enter("cuGraphDestroy", "");
    if (code || !disown(GRAPH, graph))
        return code ? code : INVALID_HANDLE;
    free(graph);
    return SUCCESS;
}

int cuGraphExecDestroy(void *executable)
{
    int code = enter("cuGraphExecDestroy", "");
    if (code || !disown(EXECUTABLE_GRAPH, executable))
        return code ? code : INVALID_HANDLE;
    free(executable);
    return SUCCESS;
}
