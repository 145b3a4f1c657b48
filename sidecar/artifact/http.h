#pragma once

#include <functional>
#include <string>

#include "sidecar/artifact/fetch.h"
#include "sidecar/artifact/uri.h"

namespace pilotlight::artifact {

// Downloads into `staged`, going on where an earlier attempt ended if the server still has the same file.
// `etag` is that of what `staged` holds, and then of what is being written; it is called as soon as it is
// known.
std::expected<void, wire::Failure> download(const Source& source, const FetchOptions& options,
                                            StagedFile& staged, Progress& progress, std::string& etag,
                                            const std::function<void()>& etag_known);

}  // namespace pilotlight::artifact
