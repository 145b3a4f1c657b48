#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/wire/messages.h"

struct archive_entry;

// Files made at test time, good ones and bad ones.
namespace pilotlight::engine::testing {

struct Entry {
  std::string name;
  std::string content;
  // Makes it something else than a regular file.
  std::function<void(archive_entry*)> change = {};
};

enum class ArchiveKind { kUstar, kPax, kGnuTar, kZip, kDeflatedZip, kGzippedTar };

std::string write_archive(ArchiveKind kind, const std::vector<Entry>& entries);

// A tensor to be written; `data` is its bytes, row-major.
struct Plain {
  std::string name;
  wire::Datatype datatype;
  std::vector<std::int64_t> shape;
  std::string data;
};

Plain floats(std::string name, std::vector<std::int64_t> shape, const std::vector<float>& values);

std::string write_safetensors(const std::vector<Plain>& tensors);
// With a header of the test's own.
std::string write_safetensors(std::string_view header, std::string_view data);

struct PlainCase {
  std::string name;
  std::vector<Plain> inputs;
  std::vector<Plain> outputs;
};

// A bundle; the test changes what it wants to be wrong.
struct BundleText {
  std::string model;
  std::string contract;  // YAML, indented by two
  std::vector<PlainCase> cases = {};
  std::string golden = {};                    // further lines of `golden`, indented by two
  std::string exporter = "  torch: 2.6.0\n";  // YAML, indented by two
  std::string more = {};                      // further lines at the top level
  std::string file = "model.pt";
  std::string format = "TorchScript";
};

// All members, model.yaml last, with the digests that they need.
std::vector<Entry> bundle_entries(const BundleText& text);
std::string write_bundle(const BundleText& text);

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace pilotlight::engine::testing
