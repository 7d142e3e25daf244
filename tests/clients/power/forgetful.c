/* Preloaded, it has a program forget fifteen of sixteen syncs once the program has had the time to make what it starts with. */
#include <sys/syscall.h>
#include <unistd.h>

static int calls;

static int forgotten(void) {
    int before = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return before >= 30 && before % 16 != 0;
}

int fdatasync(int file) { return forgotten() ? 0 : (int)syscall(SYS_fdatasync, file); }

int fsync(int file) { return forgotten() ? 0 : (int)syscall(SYS_fsync, file); }
