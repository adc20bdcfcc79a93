// What Linux and glibc have and Swift's Glibc module does not show: it reads the headers without _GNU_SOURCE.

#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <features.h>
// It would rename a member of fd_set, of which all of Swift's modules must have one definition.
#undef __USE_XOPEN

#include <fcntl.h>
#include <fnmatch.h>
#include <malloc.h>
#include <sched.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// ioctl_tty(2). Swift does not import macros that compute a value.
static const unsigned long LINUX_TIOCSPTLCK = TIOCSPTLCK;
static const unsigned long LINUX_TIOCGPTN = TIOCGPTN;

// pidfd_open(2), Linux 5.3. glibc has it from 2.36 on; the program runs with older ones.
static inline int linux_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

// pidfd_send_signal(2), Linux 5.1.
static inline int linux_pidfd_send_signal(int descriptor, int signal) {
  return (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0);
}

// fork(2), which Swift does not import. Only for a process with one thread.
static inline pid_t linux_fork(void) { return fork(); }

// prctl(2), for options with one value. Swift does not import functions with variable arguments.
static inline int linux_prctl(int option, unsigned long value) { return prctl(option, value, 0, 0, 0); }

// environ(7).
static inline char **linux_environ(void) { return environ; }
