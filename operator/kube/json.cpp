#include "operator/kube/json.h"

#include <simdjson.h>

#include <charconv>

namespace pilotlight::kube {
namespace {

namespace od = simdjson::ondemand;

// Documents end before the function that reads them does, so one will do: parsers keep some 50 KiB each.
od::parser& ThreadParser() {
  static thread_local od::parser parser;
  return parser;
}

Json Within(Json whole, std::string_view part) {
  return {part, static_cast<std::size_t>(whole.text.data() + whole.capacity - part.data())};
}

std::unexpected<std::string> Bad(const char* what, simdjson::error_code code) {
  return std::unexpected(std::string(what) + ": " + simdjson::error_message(code));
}

// Takes `field` if it is a text, and leaves `to` alone otherwise.
void TakeText(od::field& field, std::string& to) {
  std::string_view text;
  if (field.value().get_string().get(text) == simdjson::SUCCESS) to = text;
}

simdjson::error_code ReadMetadata(od::object metadata, Identity& identity) {
  for (auto item : metadata) {
    od::field field;
    if (const auto code = std::move(item).get(field); code != simdjson::SUCCESS) return code;
    std::string_view name;
    if (const auto code = field.unescaped_key().get(name); code != simdjson::SUCCESS) return code;
    if (name == "name")
      TakeText(field, identity.key.name);
    else if (name == "namespace")
      TakeText(field, identity.key.ns);
    else if (name == "uid")
      TakeText(field, identity.uid);
    else if (name == "resourceVersion")
      TakeText(field, identity.resource_version);
    else if (name == "deletionTimestamp")
      identity.deleting = true;
  }
  return simdjson::SUCCESS;
}

EventType TypeOf(std::string_view name) {
  if (name == "ADDED") return EventType::Added;
  if (name == "MODIFIED") return EventType::Modified;
  if (name == "DELETED") return EventType::Deleted;
  if (name == "BOOKMARK") return EventType::Bookmark;
  if (name == "ERROR") return EventType::Error;
  return EventType::Unknown;
}

simdjson::error_code ReadListMeta(od::object metadata, ListMeta& meta) {
  for (auto item : metadata) {
    od::field field;
    if (const auto code = std::move(item).get(field); code != simdjson::SUCCESS) return code;
    std::string_view name;
    if (const auto code = field.unescaped_key().get(name); code != simdjson::SUCCESS) return code;
    if (name == "resourceVersion")
      TakeText(field, meta.resource_version);
    else if (name == "continue")
      TakeText(field, meta.continue_token);
  }
  return simdjson::SUCCESS;
}

}  // namespace

simdjson::padded_string_view Json::padded() const {
  return simdjson::padded_string_view(text, capacity);
}

JsonBuffer::JsonBuffer(std::string text) : text_(std::move(text)) {
  text_.reserve(text_.size() + simdjson::SIMDJSON_PADDING);
}

std::expected<Identity, std::string> ReadIdentity(Json object) {
  od::parser& parser = ThreadParser();
  od::document document;
  if (const auto code = parser.iterate(object.padded()).get(document); code != simdjson::SUCCESS) {
    return Bad("not JSON", code);
  }
  od::object metadata;
  if (const auto code = document["metadata"].get_object().get(metadata); code != simdjson::SUCCESS) {
    return Bad("metadata", code);
  }
  Identity identity;
  if (const auto code = ReadMetadata(metadata, identity); code != simdjson::SUCCESS)
    return Bad("metadata", code);
  // Bookmarks have no name; whoever needs one looks.
  return identity;
}

bool AtLeast(std::string_view seen, std::string_view wanted) {
  const auto number = [](std::string_view text, std::uint64_t& value) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failure == std::errc() && end == text.data() + text.size() && !text.empty();
  };
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  return !number(seen, a) || !number(wanted, b) || a >= b;
}

std::expected<WatchEvent, std::string> ReadWatchEvent(Json line) {
  od::parser& parser = ThreadParser();
  od::document document;
  od::object object;
  if (const auto code = parser.iterate(line.padded()).get(document); code != simdjson::SUCCESS) {
    return Bad("not JSON", code);
  }
  if (const auto code = document.get_object().get(object); code != simdjson::SUCCESS)
    return Bad("event", code);
  WatchEvent event;
  std::string kind;
  std::string type;
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field); code != simdjson::SUCCESS) return Bad("event", code);
    std::string_view name;
    if (const auto code = field.unescaped_key().get(name); code != simdjson::SUCCESS)
      return Bad("event", code);
    if (name == "type") {
      TakeText(field, type);
    } else if (name == "kind") {
      TakeText(field, kind);
    } else if (name == "object") {
      std::string_view raw;
      if (const auto code = field.value().raw_json().get(raw); code != simdjson::SUCCESS) {
        return Bad("event.object", code);
      }
      event.object = Within(line, raw);
    }
  }
  if (type.empty() && kind == "Status") return WatchEvent{EventType::Error, line};
  event.type = TypeOf(type);
  if (event.object.text.empty()) return std::unexpected("an event without an object");
  return event;
}

std::expected<ListMeta, std::string> ReadList(Json list, const std::function<void(Json item)>& each) {
  od::parser parser;  // not kept: it grows to the size of the list
  od::document document;
  od::object object;
  if (const auto code = parser.iterate(list.padded()).get(document); code != simdjson::SUCCESS) {
    return Bad("not JSON", code);
  }
  if (const auto code = document.get_object().get(object); code != simdjson::SUCCESS)
    return Bad("list", code);
  ListMeta meta;
  bool has_metadata = false;
  for (auto item : object) {
    od::field field;
    if (const auto code = std::move(item).get(field); code != simdjson::SUCCESS) return Bad("list", code);
    std::string_view name;
    if (const auto code = field.unescaped_key().get(name); code != simdjson::SUCCESS)
      return Bad("list", code);
    if (name == "metadata") {
      od::object metadata;
      auto code = field.value().get_object().get(metadata);
      if (code == simdjson::SUCCESS) code = ReadListMeta(metadata, meta);
      if (code != simdjson::SUCCESS) return Bad("list.metadata", code);
      has_metadata = true;
    } else if (name == "items") {
      bool none = false;  // Go's empty slice
      if (const auto code = field.value().is_null().get(none); code != simdjson::SUCCESS) {
        return Bad("list.items", code);
      }
      if (none) continue;
      od::array items;
      if (const auto code = field.value().get_array().get(items); code != simdjson::SUCCESS) {
        return Bad("list.items", code);
      }
      for (auto element : items) {
        std::string_view raw;
        if (const auto code = element.raw_json().get(raw); code != simdjson::SUCCESS)
          return Bad("list.items", code);
        each(Within(list, raw));
      }
    }
  }
  if (!has_metadata) return std::unexpected("not a list: no metadata");
  return meta;
}

}  // namespace pilotlight::kube
