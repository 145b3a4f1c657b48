#include "sidecar/artifact/fetch.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "sidecar/artifact/http.h"
#include "sidecar/artifact/local.h"
#include "sidecar/artifact/signature_file.h"
#include "sidecar/artifact/uri.h"

namespace pilotlight::artifact {
namespace {

using nlohmann::json;
using wire::Failure;
using wire::FailureClass;
using wire::UniqueFd;

// What lies beside a staged file, to judge it by after a restart.
json read_note(const std::filesystem::path& path) {
  std::ifstream file(path);
  auto note = json::parse(file, nullptr, false);
  return note.is_object() ? note : json::object();
}

void write_note(const std::filesystem::path& path, const json& note) {
  const auto part = path.string() + ".part";
  {
    std::ofstream file(part, std::ios::trunc);
    file << note.dump();
    if (!file.flush()) return;  // then a restart fetches again
  }
  std::error_code ignored;
  std::filesystem::rename(part, path, ignored);
}

std::string text(const json& note, const char* key) {
  const auto found = note.find(key);
  return found != note.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string measure(const UniqueFd& file) {
  Sha256 sha;
  std::vector<std::byte> buffer(256 * 1024);
  for (off_t at = 0; true;) {
    const auto got = ::pread(file.get(), buffer.data(), buffer.size(), at);
    if (got < 0) return {};
    if (got == 0) return sha.hex();
    sha.update(std::span(buffer).first(static_cast<std::size_t>(got)));
    at += got;
  }
}

struct Paths {
  explicit Paths(const std::filesystem::path& folder)
      : model(folder / "model"),
        part(folder / "model.part"),
        note(folder / "model.json"),
        part_note(folder / "part.json") {}
  std::filesystem::path model, part, note, part_note;
};

// What an earlier life of this front has fetched from the same URI, if its bytes are still the same.
std::optional<Fetched> kept(const Paths& paths, const FetchOptions& options, Progress& progress) {
  const auto note = read_note(paths.note);
  if (text(note, "uri") != options.uri) return std::nullopt;
  UniqueFd file(::open(paths.model.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const auto sha256 = file ? measure(file) : std::string();
  if (sha256.empty() || sha256 != text(note, "sha256")) return std::nullopt;
  // A folder's digest cannot be measured on what is staged, only believed. That is not enough where a
  // signature counts by it: then the folder is read again.
  if (!options.signature_uri.empty() && text(note, "digest") != "sha256:" + sha256) return std::nullopt;
  const auto bytes = static_cast<std::uint64_t>(::lseek(file.get(), 0, SEEK_END));
  progress.bytes = progress.total = bytes;
  return Fetched{.file = std::move(file),
                 .digest = text(note, "digest"),
                 .bytes = bytes,
                 .kept = true,
                 .signature = std::nullopt};
}

std::expected<std::string, Failure> bring(const Source& source, const FetchOptions& options,
                                          const Paths& paths, StagedFile& staged, Progress& progress,
                                          std::string& etag) {
  if (source.scheme == Scheme::kFile || source.scheme == Scheme::kVolume) {
    return read_local(source, options, staged, progress);
  }
  const auto known = [&] {
    if (etag.empty()) {
      std::error_code ignored;
      std::filesystem::remove(paths.part_note, ignored);
    } else {
      write_note(paths.part_note, {{"uri", options.uri}, {"etag", etag}});
    }
  };
  if (auto done = download(source, options, staged, progress, etag, known); !done)
    return std::unexpected(done.error());
  return std::string();
}

}  // namespace

std::expected<Fetched, Failure> fetch_file(const FetchOptions& options, Progress& progress) {
  const auto source = parse_uri(options.uri);
  if (!source) {
    return std::unexpected(
        fetch_failure(FailureClass::kRevision, "InvalidURI", source.error(), "Correct spec.model.uri."));
  }
  std::error_code failed;
  std::filesystem::create_directories(options.staging, failed);
  if (failed) return std::unexpected(storage_failure(failed.value()));
  const Paths paths(options.staging);
  if (auto before = kept(paths, options, progress)) return std::move(*before);

  const auto part_note = read_note(paths.part_note);
  std::string etag = text(part_note, "uri") == options.uri ? text(part_note, "etag") : std::string();
  auto staged = StagedFile::open(paths.part, options.max_bytes, progress, !etag.empty());
  if (!staged) return std::unexpected(staged.error());
  if (staged->size() == 0) etag.clear();
  auto digest = bring(*source, options, paths, *staged, progress, etag);
  if (!digest) return std::unexpected(digest.error());
  const auto bytes = staged->size();
  const auto sha256 = staged->commit(paths.model);
  if (!sha256) return std::unexpected(sha256.error());
  if (digest->empty()) *digest = *sha256;
  const auto name = "sha256:" + *digest;
  write_note(paths.note, {{"uri", options.uri}, {"digest", name}, {"sha256", *sha256}});
  std::filesystem::remove(paths.part_note, failed);
  UniqueFd file(::open(paths.model.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return std::unexpected(storage_failure(errno));
  progress.total = bytes;
  return Fetched{
      .file = std::move(file), .digest = name, .bytes = bytes, .kept = false, .signature = std::nullopt};
}

std::expected<Fetched, Failure> fetch(const FetchOptions& options, Progress& progress) {
  auto model = fetch_file(options, progress);
  if (model && !options.signature_uri.empty()) {
    model->signature = fetch_signature(options, model->kept, progress);
  }
  return model;
}

}  // namespace pilotlight::artifact
