#pragma once

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

// The contents of a slice: grpc has macros for these, which Swift does not import.

static inline const uint8_t *_Nonnull cgrpc_slice_bytes(const grpc_slice *_Nonnull slice) {
  return GRPC_SLICE_START_PTR(*slice);
}

static inline size_t cgrpc_slice_count(const grpc_slice *_Nonnull slice) {
  return GRPC_SLICE_LENGTH(*slice);
}

