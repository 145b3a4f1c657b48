#pragma once

// What front and engine say to each other.
//
// The two share one SOCK_SEQPACKET socket pair (the engine's end is file descriptor 3) and one memfd, the
// arena, sealed against growing and shrinking. Every packet starts with a `Kind`. Control packets (Load,
// Progress, Loaded, Failed, Violation, Recheck, Rechecked) carry JSON after it; Infer and Result are the
// fixed structures below, so that the hot path parses nothing. Tensors lie in the arena, little-endian,
// row-major, without gaps.
//
// An engine whose device fails while it serves sends Failed, with DeviceFailed, in place of the Result.
//
// The front trusts nothing that the engine writes: it copies a packet out before it looks at it, and checks
// each descriptor against the slot and the contract.

#include <cstdint>

namespace pilotlight::wire {

enum class Kind : std::uint32_t {
  kLoad = 1,       // front → engine: JSON LoadRequest; SCM_RIGHTS: model file (read-only), arena
  kProgress = 2,   // engine → front: JSON {"phase": "Checking"|"Loading"|"Warming"}, or
                   // {"graph": "frozen", "withinSeconds": 12}: that form is being tried, and the engine hangs
                   // if nothing is heard of it within that time (absent: within the phase's)
  kLoaded = 3,     // engine → front: JSON {"proof", "contract", "timings"}: proven and warm
  kFailed = 4,     // engine → front: JSON {"class", "reason", "phase", "message", "remedy"}; the engine exits
  kInfer = 5,      // front → engine: Infer
  kResult = 6,     // engine → front: Result
  kViolation = 7,  // engine → front: JSON {"call": "openat", "purpose": "open a file for writing"}: the model
                   // made a system call that the sandbox forbids; the engine exits
  kRecheck = 8,    // front → engine: JSON {"id", "case": 2}: run that golden case once more, in its turn
  kRechecked = 9,  // engine → front: JSON {"id", "case": "batch-8", "worstError"}, or with "failure" in place
                   // of the last
};

// Open Inference Protocol v2 datatypes that LibTorch can hold.
enum class Datatype : std::uint32_t {
  kBool = 1,
  kUint8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
};

inline constexpr std::uint32_t kMaxRank = 8;
inline constexpr std::uint32_t kMaxTensors = 64;
inline constexpr std::uint32_t kMaxPacketBytes = 128 * 1024;
inline constexpr std::uint32_t kNameBytes = 128;
inline constexpr int kEngineSocket = 3;

// A tensor in the arena. `offset` counts from the arena's start; `bytes` is shape × datatype, exactly.
struct Tensor {
  Datatype datatype;
  std::uint32_t rank;
  std::int64_t shape[kMaxRank];
  std::uint64_t offset;
  std::uint64_t bytes;
};

// Inputs stand in the contract's order. The engine writes the outputs, in the contract's order, into
// [output_offset, output_offset + output_bytes) of the arena.
struct Infer {
  Kind kind;
  std::uint32_t tensor_count;
  std::uint64_t id;
  std::uint64_t output_offset;
  std::uint64_t output_bytes;
  Tensor tensors[kMaxTensors];  // sent up to tensor_count
};

// With any status but kOk a Result brings no tensors.
enum class Status : std::uint32_t {
  kOk = 0,
  kModelError = 1,      // the model threw: the caller's values do not suit it, or it has a bug
  kOutputTooLarge = 2,  // the outputs do not fit into output_bytes
  kOutOfMemory = 3,
  kContractBroken = 4,  // the outputs are not what the contract says
  kNonFinite = 5,       // the outputs hold NaN or infinity, and the LoadRequest said to refuse those
};

// Where the contract names no outputs (a bare TorchScript file whose outputs are known only when it answers),
// the tensors are followed by their names, each ended by a zero byte.
struct Result {
  Kind kind;
  Status status;
  std::uint64_t id;
  std::uint64_t compute_ns;
  std::uint32_t tensor_count;
  std::uint32_t reserved;
  Tensor tensors[kMaxTensors];  // sent up to tensor_count
};

}  // namespace pilotlight::wire
