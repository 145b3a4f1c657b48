#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace pilotlight::engine::testing {

// A file that is somebody else's, for models to reach for.
class Victim : public ::testing::Test {
 protected:
  static constexpr std::string_view kContent =
      "precious precious precious precious precious precious precious";

  Victim() {
    auto name = (std::filesystem::temp_directory_path() / "attack-victim-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::ofstream(victim()) << kContent;
  }
  ~Victim() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string victim() const { return folder_ / "victim"; }
  [[nodiscard]] std::string new_file() const { return folder_ / "new"; }
  [[nodiscard]] std::string content() const {
    std::ifstream file(victim());
    return {std::istreambuf_iterator(file), {}};
  }
  // Nothing happened to the file, and none was added.
  void expect_no_harm() const {
    EXPECT_EQ(content(), kContent);
    EXPECT_FALSE(std::filesystem::exists(new_file()));
  }

  std::filesystem::path folder_;
};

}  // namespace pilotlight::engine::testing
