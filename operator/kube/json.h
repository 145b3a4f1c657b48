// Reading the API server's JSON without ever building a tree of it.
//
// Thread-safety: free functions, each thread with a parser of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "operator/kube/key.h"

namespace simdjson {
class padded_string_view;
}

namespace pilotlight::kube {

// Text with readable bytes behind it, as simdjson wants. Valid only during the call that it was handed to.
struct Json {
  std::string_view text;
  std::size_t capacity = 0;  // at least text.size() + SIMDJSON_PADDING

  // For simdjson::ondemand::parser::iterate. Include <simdjson.h> to use it.
  simdjson::padded_string_view padded() const;
};

// A text with its padding. Owns the bytes.
class JsonBuffer {
 public:
  explicit JsonBuffer(std::string text);
  Json view() const { return {std::string_view(text_), text_.capacity()}; }

 private:
  std::string text_;
};

// What the runtime itself must know of any object.
struct Identity {
  Key key;
  std::string uid;
  std::string resource_version;
  bool deleting = false;  // has a deletionTimestamp
};
// The error says what is missing.
std::expected<Identity, std::string> ReadIdentity(Json object);

// Which of two versions of the same resource is newer is known (KEP-5504: integers) or not.
// True if `seen` is at or after `wanted`; true also if either is no number: we fail open.
bool AtLeast(std::string_view seen, std::string_view wanted);

enum class EventType : std::uint8_t { Added, Modified, Deleted, Bookmark, Error, Unknown };
struct WatchEvent {
  EventType type = EventType::Unknown;
  Json object;  // inside the line that was read
};
// A line of a watch. A bare Status object is an Error event.
std::expected<WatchEvent, std::string> ReadWatchEvent(Json line);

struct ListMeta {
  std::string resource_version;
  std::string continue_token;
};
// Calls `each` for every item of a list as the API server sends them.
std::expected<ListMeta, std::string> ReadList(Json list, const std::function<void(Json item)>& each);

}  // namespace pilotlight::kube
