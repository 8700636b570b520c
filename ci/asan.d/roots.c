/*
 * Shows LeakSanitizer the memory of APR's pools (ci/harden.d/asan preloads this into httpd).
 *
 * LeakSanitizer looks for what is referred to in global variables, on stacks and in memory from malloc. APR maps the
 * memory of its pools itself; what only they refer to would be reported. So what APR maps is registered as a root until
 * it is unmapped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void __lsan_register_root_region(const void *at, size_t size);
void __lsan_unregister_root_region(const void *at, size_t size);

/* What is registered now. The pools of one process have some hundred blocks. */
static struct {
    void *at;
    size_t size;
} roots[65536];
static size_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Children are forked by the parent's main thread, but another one may hold the lock. */
static void take(void) { pthread_mutex_lock(&lock); }
static void give(void) { pthread_mutex_unlock(&lock); }

__attribute__((constructor)) static void start(void) { pthread_atfork(take, give, give); }

static int is_of_apr(const void *caller)
{
    Dl_info place;
    return dladdr(caller, &place) && place.dli_fname && strstr(place.dli_fname, "libapr-1");
}

void *mmap(void *hint, size_t size, int access, int flags, int file, off_t offset)
{
    static void *(*next)(void *, size_t, int, int, int, off_t);
    void *at;

    if (!next)
        next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    at = next(hint, size, access, flags, file, offset);
    if (at != MAP_FAILED && (flags & MAP_PRIVATE) && (access & PROT_WRITE) && is_of_apr(__builtin_return_address(0))) {
        take();
        if (count == sizeof roots / sizeof roots[0])
            abort();
        roots[count].at = at;
        roots[count++].size = size;
        __lsan_register_root_region(at, size);
        give();
    }
    return at;
}

int munmap(void *at, size_t size)
{
    static int (*next)(void *, size_t);
    size_t i;

    if (!next)
        next = (int (*)(void *, size_t))dlsym(RTLD_NEXT, "munmap");
    take();
    for (i = 0; i < count && roots[i].at != at; i++)
        ;
    if (i < count) {
        __lsan_unregister_root_region(at, roots[i].size);
        roots[i] = roots[--count];
    }
    give();
    return next(at, size);
}
