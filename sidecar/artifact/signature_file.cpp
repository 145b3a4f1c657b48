#include "sidecar/artifact/signature_file.h"

#include <unistd.h>

#include <cerrno>
#include <format>
#include <system_error>

#include "sidecar/artifact/uri.h"

namespace pilotlight::artifact {
namespace {

using wire::Failure;
using wire::FailureClass;

constexpr std::uint64_t kMostBytes = 64 * 1024;  // an envelope of one key has some 500

// As it is said of a model, so that it is true of a signature.
Failure of_signature(Failure failure, const std::string& uri) {
  if (failure.reason == "NotFound") {
    return fetch_failure(FailureClass::kRevision, "SignatureMissing",
                         failure.message + ", so the model is not signed",
                         "Sign the model and upload the signature before it, or correct "
                         "spec.model.signature.");
  }
  if (failure.failure_class == FailureClass::kRevision) {
    return fetch_failure(FailureClass::kRevision, "SignatureInvalid",
                         std::format("'{}' cannot be the signature: {}", redact(uri), failure.message),
                         "Correct spec.model.signature.uri, or sign the model again.");
  }
  return failure;
}

}  // namespace

std::expected<std::string, Failure> fetch_signature(const FetchOptions& options, bool model_kept,
                                                    Progress& progress) {
  auto own = options;
  own.uri = options.signature_uri;
  own.staging = options.staging / "signature";
  own.max_bytes = kMostBytes;
  if (!model_kept) {
    std::error_code ignored;
    std::filesystem::remove_all(own.staging, ignored);
  }
  Progress part;
  part.whole = &progress;
  const auto fetched = fetch_file(own, part);
  if (!fetched) return std::unexpected(of_signature(fetched.error(), own.uri));
  std::string text(fetched->bytes, '\0');
  const auto got = ::pread(fetched->file.get(), text.data(), text.size(), 0);
  if (got < 0) return std::unexpected(storage_failure(errno));
  text.resize(static_cast<std::size_t>(got));
  return text;
}

}  // namespace pilotlight::artifact
