#include "sidecar/engine/onnx/errors.h"

#include <algorithm>
#include <regex>

namespace pilotlight::engine::onnx {
namespace {

// Behind the signature that `text` begins with: its parentheses close, and qualifiers may follow.
std::string_view behind_signature(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++depth;
    if (text[i] == ')' && --depth == 0) {
      text.remove_prefix(i + 1);
      for (const std::string_view qualifier : {" const", " noexcept"}) {
        if (text.starts_with(qualifier)) text.remove_prefix(qualifier.size());
      }
      if (text.starts_with(" [with ")) text.remove_prefix(std::min(text.find(']') + 1, text.size()));
      if (text.starts_with(" ")) text.remove_prefix(1);
      return text;
    }
  }
  return {};
}

}  // namespace

std::string without_source(std::string_view message) {
  static const std::regex kPlace(R"(\S+\.(cc|h|hpp):\d+ )");
  // Names of the file's are in it, of any length; a regular expression takes stack for each character.
  std::string text(message.substr(0, 2000));
  std::smatch place;
  while (std::regex_search(text, place, kPlace)) {
    const std::string rest = place.suffix().str();
    text = place.prefix().str() + std::string(behind_signature(rest));
  }
  return text;
}

}  // namespace pilotlight::engine::onnx
