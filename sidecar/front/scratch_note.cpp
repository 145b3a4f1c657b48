#include "sidecar/front/scratch_note.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

#include "common/log/log.h"

namespace pilotlight::front {

using nlohmann::json;

json read_note(const std::filesystem::path& path) {
  std::ifstream file(path);
  return json::parse(file, nullptr, false);
}

bool write_note(const std::filesystem::path& path, const json& note) {
  const auto part = path.string() + ".part";
  std::ofstream file(part, std::ios::trunc);
  file << note.dump(-1, ' ', false, json::error_handler_t::replace);
  file.close();
  std::error_code failed;
  if (file) std::filesystem::rename(part, path, failed);
  if (file && !failed) return true;
  log::Warn("A note cannot be written to the scratch volume", {{"note", path.filename().string()}});
  return false;
}

}  // namespace pilotlight::front
