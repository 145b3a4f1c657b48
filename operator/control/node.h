#pragma once

#include <simdjson.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/time/rfc3339.h"
#include "operator/api/status.h"
#include "operator/kube/json.h"

namespace pilotlight::control {

// A place in a document that may not exist; everything read from one that does not is empty.
class Node {
 public:
  Node() = default;
  explicit Node(simdjson::dom::element value) : value_(value) {}

  Node operator[](std::string_view key) const {
    simdjson::dom::object fields;
    simdjson::dom::element child;
    if (!value_ || value_->get(fields) != simdjson::SUCCESS) return {};
    return fields.at_key(key).get(child) == simdjson::SUCCESS ? Node(child) : Node();
  }
  std::string Text() const {
    std::string_view text;
    return value_ && value_->get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
  }
  // Nothing for what is no whole number, or not from 0 to `most`.
  std::optional<std::int64_t> Count(std::int64_t most) const {
    std::int64_t number = 0;
    if (!value_ || value_->get(number) != simdjson::SUCCESS || number < 0 || number > most)
      return std::nullopt;
    return number;
  }
  // Nothing for what is no number.
  std::optional<double> Real() const {
    double number = 0;
    if (!value_ || value_->get(number) != simdjson::SUCCESS || !std::isfinite(number)) return std::nullopt;
    return number;
  }
  std::int64_t Number() const {
    std::int64_t number = 0;
    return value_ && value_->get(number) == simdjson::SUCCESS ? number : 0;
  }
  bool True() const {
    bool value = false;
    return value_ && value_->get(value) == simdjson::SUCCESS && value;
  }
  std::optional<api::Time> Moment() const {
    const auto time = ParseTime(Text());
    if (!time) return std::nullopt;
    return std::chrono::floor<std::chrono::seconds>(*time);
  }
  bool exists() const { return value_.has_value() && !value_->is_null(); }
  // Of a list; 0 for everything else.
  std::size_t size() const {
    simdjson::dom::array items;
    return value_ && value_->get(items) == simdjson::SUCCESS ? items.size() : 0;
  }
  template <typename F>
  void EachField(F visit) const {
    simdjson::dom::object fields;
    if (!value_ || value_->get(fields) != simdjson::SUCCESS) return;
    for (const auto [name, value] : fields) visit(name, Node(value));
  }
  template <typename F>
  void Each(F visit) const {
    simdjson::dom::array items;
    if (!value_ || value_->get(items) != simdjson::SUCCESS) return;
    for (const simdjson::dom::element item : items) visit(Node(item));
  }
  // The item of a list whose `key` is `text`.
  Node Where(std::string_view key, std::string_view text) const {
    Node found;
    Each([&](Node item) {
      if (!found.exists() && item[key].Text() == text) found = item;
    });
    return found;
  }
  nlohmann::json ToJson() const {
    return exists() ? nlohmann::json::parse(simdjson::minify(*value_)) : nlohmann::json();
  }

 private:
  std::optional<simdjson::dom::element> value_;
};

// Of a JSON object. What it gives is valid until the same thread asks again. Thread-safe: each thread has a
// parser of its own.
std::expected<Node, std::string> Root(kube::Json text);

}  // namespace pilotlight::control
