#include "sidecar/front/json_input.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <format>
#include <limits>
#include <type_traits>

#include "common/text/printable.h"
#include "sidecar/front/elements.h"
#include "sidecar/wire/datatype.h"

namespace pilotlight::front {

using simdjson::ondemand::json_type;
using simdjson::ondemand::value;

namespace {

constexpr std::size_t kKeptBytes = 256 * 1024;
constexpr std::size_t kMaxKeys = 256;

std::string token(value& element) {
  return shown(element.raw_json_token());
}

// One number, or nothing when the element is no T: the caller has the words for that.
template <class T>
bool read_one(value& element, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    return element.get_bool().get(out) == simdjson::SUCCESS;
  } else if constexpr (kIsFloat<T>) {
    double number = 0;
    if (element.get_double().get(number) != simdjson::SUCCESS) return false;
    // Beyond the type's range is an error and not infinity; below its precision is rounding.
    out = static_cast<T>(number);
    return std::isfinite(static_cast<double>(out));
  } else {
    std::int64_t number = 0;
    if (element.get_int64().get(number) != simdjson::SUCCESS || !std::in_range<T>(number)) return false;
    out = static_cast<T>(number);
    return true;
  }
}

template <class T>
std::string wanted(wire::Datatype type) {
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false (BOOL)";
  } else if constexpr (kIsFloat<T>) {
    return std::format("a number that {} can hold", wire::datatype_name(type));
  } else {
    return std::format("a whole number from {} to {} ({})", std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max(), wire::datatype_name(type));
  }
}

// Writes tensors of one element type, list by list.
template <class T>
class NumberReader {
 public:
  NumberReader(wire::Datatype type, std::span<std::byte> out, JsonPath& path)
      : type_(type), out_(out), path_(path), count_(out.size() / sizeof(T)) {}

  // Every element of `list` is a number; there must be `expected`.
  void flat(simdjson::ondemand::array list, std::size_t expected) {
    std::size_t index = 0;
    try {
      for (value element : list) {
        if (index == expected) {
          refuse(path_, std::format("has more than the {} elements of its shape", expected));
        }
        T number{};
        if (!read_one(element, number)) {
          path_.push(index);
          refuse(path_, std::format("must be {}, is {}", wanted<T>(type_), token(element)));
        }
        std::memcpy(out_.data() + (done_ + index) * sizeof(T), &number, sizeof(T));
        ++index;
      }
    } catch (const simdjson::simdjson_error& error) {
      path_.push(index);
      refuse(path_, error.error());
    }
    if (index != expected)
      refuse(path_, std::format("has {} elements, its shape asks for {}", index, expected));
    done_ += index;
  }

  void nested(simdjson::ondemand::array list, std::span<const std::int64_t> shape) {
    const auto expected = static_cast<std::size_t>(shape.front());
    if (shape.size() == 1) return flat(list, expected);
    std::size_t index = 0;
    for (value element : list) {
      if (index == expected) refuse(path_, std::format("has more than {} elements", expected));
      path_.push(index);
      if (element.type() != json_type::array) {
        refuse(path_, std::format("must be a list of {} elements, is {}", shape[1], token(element)));
      }
      nested(element.get_array(), shape.subspan(1));
      path_.pop();
      ++index;
    }
    if (index != expected)
      refuse(path_, std::format("has {} elements, its shape asks for {}", index, expected));
  }

  void scalar(value element) {
    T number{};
    if (!read_one(element, number)) {
      refuse(path_, std::format("must be {}, is {}", wanted<T>(type_), token(element)));
    }
    std::memcpy(out_.data(), &number, sizeof(T));
  }

  void read(simdjson::ondemand::array list, std::span<const std::int64_t> shape, bool flat_allowed) {
    if (shape.size() < 2) return flat(list, count_);
    bool begins_with_list = false;
    for (value first : list) {
      json_type kind{};
      begins_with_list = first.type().get(kind) == simdjson::SUCCESS && kind == json_type::array;
      break;
    }
    list.reset();
    if (flat_allowed && !begins_with_list) return flat(list, count_);
    nested(list, shape);
  }

 private:
  wire::Datatype type_;
  std::span<std::byte> out_;
  JsonPath& path_;
  std::size_t count_;
  std::size_t done_ = 0;
};

}  // namespace

std::string JsonPath::text() const {
  if (parts_.empty()) return "the body";
  std::string text;
  for (const auto& part : parts_) {
    if (const auto* index = std::get_if<std::size_t>(&part)) {
      text += std::format("[{}]", *index);
    } else {
      if (!text.empty()) text += '.';
      text += shown(std::get<std::string_view>(part));  // the client's own word, unless it is a known field
    }
  }
  return text;
}

void refuse(const JsonPath& path, std::string_view what) {
  throw Refusal{400, std::format("{}: {}", path.text(), what)};
}

void refuse(const JsonPath& path, simdjson::error_code error) {
  switch (error) {
    case simdjson::EMPTY:
      refuse(path, "is empty; JSON is expected");
    case simdjson::INCORRECT_TYPE:
      refuse(path, "has the wrong type");
    case simdjson::UTF8_ERROR:
      refuse(path, "is not UTF-8");
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
    case simdjson::BIGINT_ERROR:
      refuse(path, "holds a malformed number");
    default:
      refuse(path, "is not valid JSON");
  }
}

std::string shown(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return Printable(text, 40);
}

void UniqueKeys::add(std::string_view key, const JsonPath& path) {
  if (std::ranges::contains(seen_, key)) refuse(path, std::format("has the field '{}' twice", shown(key)));
  if (seen_.size() == kMaxKeys) refuse(path, std::format("has more than {} fields", kMaxKeys));
  seen_.push_back(key);
}

void pass_over(value unused, JsonPath& path) {
  if (path.depth() > kMaxDepth) refuse(path, std::format("is nested deeper than {} levels", kMaxDepth));
  switch (unused.type()) {
    case json_type::array: {
      std::size_t index = 0;
      for (value element : unused.get_array()) {
        path.push(index++);
        pass_over(element, path);
        path.pop();
      }
      return;
    }
    case json_type::object: {
      UniqueKeys keys;
      for (auto field : unused.get_object()) {
        const std::string_view key = field.unescaped_key();
        keys.add(key, path);
        path.push(key);
        pass_over(field.value(), path);
        path.pop();
      }
      return;
    }
    case json_type::number:
      static_cast<void>(unused.get_number().value());
      return;
    case json_type::string:
      static_cast<void>(unused.get_string().value());
      return;
    case json_type::boolean:
      static_cast<void>(unused.get_bool().value());
      return;
    case json_type::null:
      if (!unused.is_null().value()) refuse(path, "is not valid JSON");
      return;
    default:
      refuse(path, "is not valid JSON");
  }
}

void read_parameters(value parameters, JsonPath& path,
                     const std::function<bool(std::string_view, value)>& known) {
  if (parameters.type() != json_type::object) refuse(path, "must be an object");
  UniqueKeys keys;
  for (auto field : parameters.get_object()) {
    const std::string_view key = field.unescaped_key();
    keys.add(key, path);
    path.push(key);
    if (key.starts_with("pilotlight_") || key.starts_with("triton_")) refuse(path, "is a reserved name");
    if (key.starts_with("shared_memory_"))
      refuse(path, "shared memory is not offered; send the tensor itself");
    value inner = field.value();
    if (!known(key, inner)) pass_over(inner, path);
    path.pop();
  }
}

Numbers::Numbers(value data) : data_(data) {
  if (data_.type() == json_type::array) list_ = data_.get_array();
}

void Numbers::read(wire::Datatype type, std::span<const std::int64_t> shape, bool flat,
                   std::span<std::byte> out, JsonPath& path) {
  const auto read = [&]<class T>() {
    NumberReader<T> reader(type, out, path);
    if (list_) return reader.read(*list_, shape, flat);
    if (shape.empty()) return reader.scalar(data_);
    refuse(path, std::format("must be a list, is {}", token(data_)));
  };
  switch (type) {
    case wire::Datatype::kBool:
      return read.operator()<bool>();
    case wire::Datatype::kUint8:
      return read.operator()<std::uint8_t>();
    case wire::Datatype::kInt8:
      return read.operator()<std::int8_t>();
    case wire::Datatype::kInt16:
      return read.operator()<std::int16_t>();
    case wire::Datatype::kInt32:
      return read.operator()<std::int32_t>();
    case wire::Datatype::kInt64:
      return read.operator()<std::int64_t>();
    case wire::Datatype::kFp16:
      return read.operator()<Float16>();
    case wire::Datatype::kBf16:
      return read.operator()<BFloat16>();
    case wire::Datatype::kFp32:
      return read.operator()<float>();
    case wire::Datatype::kFp64:
      return read.operator()<double>();
  }
}

std::vector<std::int64_t> Numbers::shape(const JsonPath& path) {
  std::vector<std::int64_t> shape;
  if (!list_) return shape;
  simdjson::ondemand::array list = *list_;
  while (true) {
    if (shape.size() == wire::kMaxRank)
      refuse(path, std::format("is nested deeper than {} lists", wire::kMaxRank));
    shape.push_back(static_cast<std::int64_t>(list.count_elements().value()));
    if (shape.back() == 0) break;
    value first = (*list.begin()).value();
    if (first.type() != json_type::array) break;
    list = first.get_array();
  }
  list_->reset();
  return shape;
}

thread_local simdjson::ondemand::parser BodyParser::kept_;

BodyParser::BodyParser(std::size_t bytes) {
  if (bytes > kKeptBytes) own_ = std::make_unique<simdjson::ondemand::parser>();
}

}  // namespace pilotlight::front
