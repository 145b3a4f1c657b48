#include "sidecar/engine/bundle/yaml_subset.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "common/text/printable.h"

namespace pilotlight::engine {
namespace {

using nlohmann::json;

struct Refused {
  std::string what;
};

std::string at(const YAML::Mark& mark) {
  if (mark.is_null()) return "";
  return "line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1) + ": ";
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

json typed(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  std::string_view number = text;
  if (number.starts_with('+') && !number.starts_with("+-")) number.remove_prefix(1);
  if (const auto value = whole_number<std::int64_t>(number)) return *value;
  // from_chars also reads "nan" and "inf", which are plain text in YAML.
  if (number.find_first_of("0123456789") != std::string_view::npos &&
      number.find_first_not_of("0123456789+-.eE") == std::string_view::npos) {
    if (const auto value = whole_number<double>(number)) return *value;
  }
  return text;
}

// Builds the document from the parser's events: aliases are refused before they could be expanded.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(Scalars scalars) : scalars_(scalars) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, "", "", anchor, scalars_ == Scalars::kText ? json("") : json());
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{at(mark) + "aliases are not accepted"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag == "?" || tag.empty();
    add(mark, value, tag, anchor, plain && scalars_ == Scalars::kTyped ? typed(value) : json(value));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, json::object());
  }
  void OnMapEnd() override { close(); }

  json take() { return std::move(root_); }

 private:
  struct Level {
    json value;
    std::optional<std::string> key;  // of a map: read, and waiting for its value
  };

  static void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refused{at(mark) + "anchors are not accepted"};
    if (!tag.empty() && tag != "?" && tag != "!") throw Refused{at(mark) + "tags are not accepted"};
  }

  void add(const YAML::Mark& mark, const std::string& text, const std::string& tag, YAML::anchor_t anchor,
           json value) {
    check(mark, tag, anchor);
    if (!IsUtf8(text)) throw Refused{at(mark) + "the text is not UTF-8"};
    if (levels_.empty() || levels_.back().value.is_array() || levels_.back().key) {
      return put(std::move(value));
    }
    if (text == "<<") throw Refused{at(mark) + "merge keys are not accepted"};
    if (levels_.back().value.contains(text))
      throw Refused{at(mark) + "key " + Quoted(text) + " is there twice"};
    levels_.back().key = text;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, json value) {
    check(mark, tag, anchor);
    if (levels_.size() >= kMaxYamlDepth) {
      throw Refused{at(mark) + "more than " + std::to_string(kMaxYamlDepth) + " levels deep"};
    }
    if (!levels_.empty() && levels_.back().value.is_object() && !levels_.back().key) {
      throw Refused{at(mark) + "a key must be a plain word or a string"};
    }
    levels_.push_back({.value = std::move(value), .key = {}});
  }

  void close() {
    json value = std::move(levels_.back().value);
    levels_.pop_back();
    put(std::move(value));
  }

  void put(json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (levels_.back().value.is_array()) {
      levels_.back().value.push_back(std::move(value));
    } else {
      levels_.back().value[*std::exchange(levels_.back().key, std::nullopt)] = std::move(value);
    }
  }

  Scalars scalars_;
  std::vector<Level> levels_;
  json root_;
};

}  // namespace

std::expected<json, std::string> read_yaml(std::string_view text, Scalars scalars) try {
  if (text.size() > kMaxYamlBytes) {
    return std::unexpected(std::to_string(text.size()) + " bytes; at most " + std::to_string(kMaxYamlBytes));
  }
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  Builder builder(scalars);
  if (!parser.HandleNextDocument(builder)) return std::unexpected("the document is empty");
  Builder rest(scalars);
  if (parser.HandleNextDocument(rest)) return std::unexpected("more than one document");
  return builder.take();
} catch (const Refused& refused) {
  return std::unexpected(refused.what);
} catch (const YAML::Exception& error) {
  return std::unexpected(at(error.mark) + Printable(error.msg, 200));  // it may name a character of the text
}

}  // namespace pilotlight::engine
