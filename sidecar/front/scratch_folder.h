#pragma once

#include <filesystem>

namespace pilotlight::front {

// A new, empty folder of this user's in the temporary folder, gone with the object. The constructor throws
// std::runtime_error if there can be none.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace pilotlight::front
