#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

namespace pilotlight::artifact {

enum class Scheme { kFile, kVolume, kHttp, kHttps };

// Where a model is to be had, as far as the URI alone says.
struct Source {
  Scheme scheme;
  std::string url;             // kHttp, kHttps: as the user wrote it
  std::filesystem::path path;  // kFile: absolute or relative to here; kVolume: relative to the volume's root
};

// file:///path, a plain path, pvc://claim/path, http://… or https://…. The error says what is wrong with it.
std::expected<Source, std::string> parse_uri(std::string_view uri);

// The address of what lies beside a model and bears its name with `ending` behind it: before the query of an
// http address; of a folder, beside the folder.
std::string beside(std::string_view uri, std::string_view ending);

// The URI without user, password, query and fragment: fit for messages.
std::string redact(std::string_view uri);

}  // namespace pilotlight::artifact
