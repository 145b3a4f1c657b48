#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "sidecar/artifact/staging.h"
#include "sidecar/wire/failure.h"
#include "sidecar/wire/fd.h"

namespace pilotlight::artifact {

struct FetchOptions {
  std::string uri;
  std::string signature_uri;          // empty: none is asked for
  std::filesystem::path staging;      // a folder of our own; made if it is missing
  std::filesystem::path credentials;  // token | username, password | ca.crt; need not be there
  std::filesystem::path volume = "/mnt/model";
  std::uint64_t max_bytes = 20ULL << 30;
  // How slow is too slow: fewer bytes a second than this, for so many seconds.
  std::int64_t stall_bytes_per_second = 1024;
  std::int64_t stall_seconds = 30;
  bool allow_link_local = false;  // for tests only: link-local addresses hold clouds' credentials
};

// A model in the staging folder, whole and measured.
struct Fetched {
  wire::UniqueFd file;  // read-only
  std::string digest;   // "sha256:…": of the file, or of the folder that it was made from
  std::uint64_t bytes = 0;
  bool kept = false;  // it was there already, from before a restart
  // The signature's file, or why it cannot be had; nothing if none was asked for.
  std::optional<std::expected<std::string, wire::Failure>> signature;
};

// Brings the model, and its signature, into the staging folder; blocks, so it has a thread of its own. What
// is there from before a restart is measured again and then used. Progress is the model's; it may be read
// from other threads, and cancels from there.
std::expected<Fetched, wire::Failure> fetch(const FetchOptions& options, Progress& progress);

// The same for the one file at `uri`.
std::expected<Fetched, wire::Failure> fetch_file(const FetchOptions& options, Progress& progress);

}  // namespace pilotlight::artifact
