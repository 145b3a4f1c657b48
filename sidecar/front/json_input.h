#pragma once

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sidecar/wire/messages.h"

// What reading of clients' JSON shares. simdjson's on-demand reader looks only at what it is asked for, so
// everything that passes by is looked at here: duplicate keys, nesting, malformed values in fields that
// nobody uses.
//
// Errors are thrown as Refusal, and caught where a request's reading begins.
namespace pilotlight::front {

struct Refusal {
  unsigned status;
  std::string message;
};

// Where in the document the reader is. What was pushed when an error is thrown stays, and names the place.
class JsonPath {
 public:
  void push(std::string_view name) { parts_.emplace_back(name); }
  void push(std::size_t index) { parts_.emplace_back(index); }
  void pop() { parts_.pop_back(); }
  std::size_t depth() const { return parts_.size(); }
  std::string text() const;  // "inputs[0].data[3]"; "the body" at the top

 private:
  std::vector<std::variant<std::string_view, std::size_t>> parts_;  // of objects, of lists
};

// 400 at the place where the reader is: "inputs[0].data[3]: must be …".
[[noreturn]] void refuse(const JsonPath& path, std::string_view what);

// What simdjson found, in our words.
[[noreturn]] void refuse(const JsonPath& path, simdjson::error_code error);

// A client's text as it may stand in a message: cut, and without what is not printable.
std::string shown(std::string_view text);

// The keys of one object, each once.
class UniqueKeys {
 public:
  void add(std::string_view key, const JsonPath& path);

 private:
  std::vector<std::string_view> seen_;
};

inline constexpr std::size_t kMaxDepth = 32;

// Reads a value that is not used, all of it.
void pass_over(simdjson::ondemand::value value, JsonPath& path);

// Reads the parameters of a request or tensor: known ones through `known`, which returns whether it took the
// value; others are passed over, except reserved names, which are refused.
void read_parameters(simdjson::ondemand::value value, JsonPath& path,
                     const std::function<bool(std::string_view, simdjson::ondemand::value)>& known);

// A tensor's numbers as JSON has them: nested lists, or one number. They can be looked over and then read,
// but the value must be left alone in the meantime: simdjson takes a list of it only once.
class Numbers {
 public:
  explicit Numbers(simdjson::ondemand::value data);

  // The shape of the nested lists, by the first of each level.
  std::vector<std::int64_t> shape(const JsonPath& path);

  // Writes them to `out`, which has the size of shape × datatype, from nested lists of that shape; or, if
  // `flat` is allowed, from one list of them all.
  void read(wire::Datatype type, std::span<const std::int64_t> shape, bool flat, std::span<std::byte> out,
            JsonPath& path);

 private:
  simdjson::ondemand::value data_;
  std::optional<simdjson::ondemand::array> list_;
};

// A parser fit for a body of that size: one that is kept for small bodies, a new one for large.
class BodyParser {
 public:
  explicit BodyParser(std::size_t bytes);
  simdjson::ondemand::parser& operator*() { return own_ ? *own_ : kept_; }
  simdjson::ondemand::parser* operator->() { return &**this; }

 private:
  static thread_local simdjson::ondemand::parser kept_;
  std::unique_ptr<simdjson::ondemand::parser> own_;
};

}  // namespace pilotlight::front
