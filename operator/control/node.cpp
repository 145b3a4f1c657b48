#include "operator/control/node.h"

namespace pilotlight::control {

std::expected<Node, std::string> Root(kube::Json text) {
  // One parser a thread: its buffers are as large as the largest object that it has met.
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  const bool copy = text.capacity < text.text.size() + simdjson::SIMDJSON_PADDING;
  if (const auto error = parser.parse(text.text.data(), text.text.size(), copy).get(root);
      error != simdjson::SUCCESS) {
    return std::unexpected(std::string("no JSON: ") + simdjson::error_message(error));
  }
  if (!root.is_object()) return std::unexpected("not a JSON object");
  return Node(root);
}

}  // namespace pilotlight::control
