// What glibc has beside posix_spawn(3) and Swift's Glibc module does not show, since it is no part of POSIX.

#pragma once

#include <spawn.h>

#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0x80
#endif

// posix_spawn_file_actions_addclosefrom_np(3), since glibc 2.34.
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// posix_spawn_file_actions_addchdir_np(3), since glibc 2.29.
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
