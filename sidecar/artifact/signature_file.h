#pragma once

#include <expected>
#include <string>

#include "sidecar/artifact/fetch.h"

namespace pilotlight::artifact {

// Brings the file at `signature_uri`, with the model's credentials, and returns what is in it. One that an
// earlier life of the front has left is used only if the model is that life's as well (`model_kept`). The
// failure is of the world where trying again may help, as with the model; but a file that is not there is
// the revision's fault: nobody has signed. Blocks; `progress`, the model's, cancels it.
std::expected<std::string, wire::Failure> fetch_signature(const FetchOptions& options, bool model_kept,
                                                          Progress& progress);

}  // namespace pilotlight::artifact
