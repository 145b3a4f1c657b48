#pragma once

#include <expected>
#include <string>

#include "sidecar/artifact/staging.h"

namespace pilotlight::artifact {

// Packs the folder's regular files into an uncompressed tar and returns the folder's digest: the sha256, in
// hexadecimal, of its sorted sha256sum lines (docs/bundle.md). Links and special files are refused: what they
// lead to is not the folder's own content.
std::expected<std::string, wire::Failure> pack_folder(wire::UniqueFd folder, StagedFile& staged,
                                                      Progress& progress);

}  // namespace pilotlight::artifact
