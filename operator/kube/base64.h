// RFC 4648, for the *-data fields of a kubeconfig. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pilotlight::kube {

// White space is passed over. Nothing for anything that is not base64.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace pilotlight::kube
