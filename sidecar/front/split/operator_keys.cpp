#include "sidecar/front/split/operator_keys.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <system_error>

#include "common/log/log.h"

namespace pilotlight::front {
namespace {

constexpr std::size_t kMostKeys = 16;
constexpr std::size_t kMostBytes = 8 * 1024;  // more than any key has

std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    std::error_code unknown;
    if (!at->path().filename().string().starts_with('.') && at->is_regular_file(unknown)) {
      files.push_back(at->path());
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::vector<signature::PublicKey> read_operator_keys(const std::filesystem::path& folder) {
  std::vector<signature::PublicKey> keys;
  for (const auto& path : files_in(folder)) {
    if (keys.size() == kMostKeys) break;
    std::array<char, kMostBytes> text{};
    std::ifstream file(path);
    file.read(text.data(), text.size());
    auto key = signature::PublicKey::parse({text.data(), static_cast<std::size_t>(file.gcount())});
    if (key) {
      keys.push_back(*std::move(key));
    } else {
      log::Warn("A file among the operator's keys is none",
                {{"file", path.filename().string()}, {"why", key.error()}});
    }
  }
  return keys;
}

}  // namespace pilotlight::front
