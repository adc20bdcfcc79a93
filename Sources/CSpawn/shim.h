// What glibc has to start programs, and to become one, and Swift's Glibc module does not show.

#pragma once

#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0x80
#endif

// posix_spawn_file_actions_addclosefrom_np(3), since glibc 2.34.
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// posix_spawn_file_actions_addchdir_np(3), since glibc 2.29.
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);

// setns(2).
extern int setns(int descriptor, int type);

// chroot(2).
extern int chroot(const char *path);

// fork(2), for a process with one thread.
static inline pid_t fork_process(void) { return fork(); }

// prctl(2), for the options that take one value.
static inline int set_process_option(int option, unsigned long value) { return prctl(option, value, 0, 0, 0); }

// environ(7).
static inline char **process_environment(void) {
  extern char **environ;
  return environ;
}
