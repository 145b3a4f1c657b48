#pragma once

#include <mutex>
#include <streambuf>
#include <string>

namespace pilotlight::engine::aoti {

// While it lives, what is written to std::cerr is kept, up to a few kilobytes, instead: compiled models and
// LibTorch's interface for them write there why they failed, and return only that they did. May be written to
// by any thread.
class Complaints : public std::streambuf {
 public:
  Complaints();
  ~Complaints() override;
  Complaints(const Complaints&) = delete;
  Complaints& operator=(const Complaints&) = delete;

  // What was the matter, without LibTorch's own words around it; "" if nothing was said.
  std::string reason();

 private:
  int_type overflow(int_type character) override;
  std::streamsize xsputn(const char* text, std::streamsize count) override;

  std::streambuf* before_;
  std::mutex mutex_;
  std::string text_;
};

// The first complaint in `text`.
std::string first_complaint(const std::string& text);

}  // namespace pilotlight::engine::aoti
