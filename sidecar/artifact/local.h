#pragma once

#include "sidecar/artifact/fetch.h"
#include "sidecar/artifact/uri.h"

namespace pilotlight::artifact {

// Copies a file into `staged`, or packs a folder into it as an uncompressed tar. Returns the digest of the
// source as docs/bundle.md has it, in hexadecimal; empty: that of the bytes written.
//
// Copied, because a file on a volume may change between its proof and its loading.
std::expected<std::string, wire::Failure> read_local(const Source& source, const FetchOptions& options,
                                                     StagedFile& staged, Progress& progress);

}  // namespace pilotlight::artifact
