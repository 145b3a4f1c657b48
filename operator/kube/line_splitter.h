// Cuts a stream of bytes into lines. Chunks and lines have nothing to do with each other.
//
// Thread-safety: none.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace pilotlight::kube {

class LineSplitter {
 public:
  enum class Outcome { Ok, Stopped, TooLong };

  explicit LineSplitter(std::size_t limit) : limit_(limit) {}

  // Hands every whole, non-empty line to `sink`, until that says false.
  Outcome Feed(std::string_view bytes, const std::function<bool(std::string_view)>& sink) {
    while (!bytes.empty()) {
      const auto newline = bytes.find('\n');
      const auto part = bytes.substr(0, newline);
      if (carry_.size() + part.size() > limit_) return Outcome::TooLong;
      if (newline == std::string_view::npos) {
        carry_ += part;
        return Outcome::Ok;
      }
      bytes.remove_prefix(newline + 1);
      bool go_on = true;
      if (!carry_.empty()) {
        carry_ += part;
        go_on = sink(carry_);
        carry_.clear();
      } else if (!part.empty()) {
        go_on = sink(part);
      }
      if (!go_on) return Outcome::Stopped;
    }
    return Outcome::Ok;
  }

 private:
  const std::size_t limit_;
  std::string carry_;
};

}  // namespace pilotlight::kube
