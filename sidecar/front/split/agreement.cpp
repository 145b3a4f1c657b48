#include "sidecar/front/split/agreement.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "sidecar/front/elements.h"

namespace pilotlight::front {
namespace {

// What numbers of one type are compared as: narrow floats as double, which holds each of them, for converting
// costs more than all the rest; whole numbers as they are, as double does not hold all of 64 bits.
template <class T>
using Number = std::conditional_t<kIsFloat<T>, double, T>;

template <class T>
Number<T> number_at(const OutputTensor& tensor, std::size_t i) {
  return static_cast<Number<T>>(load_element<T>(tensor.bytes.data() + i * sizeof(T)));
}

template <class T>
double greatest_magnitude(const OutputTensor& of, std::size_t count) {
  double most = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (const double size = std::abs(number_at<T>(of, i)); std::isfinite(size)) most = std::max(most, size);
  }
  return most;
}

template <class T>
void compare_numbers(const OutputTensor& expected, const OutputTensor& actual, const Tolerance& tolerance,
                     Agreement& found) {
  const auto count = expected.bytes.size() / sizeof(T);
  double allowed = 0;
  if constexpr (kIsFloat<T>) allowed = tolerance.absolute * greatest_magnitude<T>(expected, count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto e = number_at<T>(expected, i);
    const auto a = number_at<T>(actual, i);
    const double difference = std::abs(static_cast<double>(a) - static_cast<double>(e));
    const bool finite = std::isfinite(difference);
    if (finite) {
      ++found.elements;
      found.difference_sum += difference;
      found.worst_difference = std::max(found.worst_difference, difference);
    }
    bool same = e == a;
    if constexpr (kIsFloat<T>) {
      same = same || (std::isnan(e) && std::isnan(a)) ||
             (finite && difference <= allowed + tolerance.relative * std::abs(e));
    }
    found.agreed = found.agreed && same;
  }
}

template <class T>
std::size_t greatest(const OutputTensor& tensor, std::size_t begin, std::size_t count) {
  std::size_t best = begin;
  auto most = number_at<T>(tensor, begin);
  for (std::size_t i = begin + 1; i < begin + count; ++i) {
    if (const auto number = number_at<T>(tensor, i); number > most) {
      best = i;
      most = number;
    }
  }
  return best;
}

template <class T>
void compare_rows(const OutputTensor& expected, const OutputTensor& actual, Agreement& found) {
  const auto classes = static_cast<std::size_t>(expected.shape.back());
  for (std::size_t begin = 0; begin < expected.bytes.size() / sizeof(T); begin += classes) {
    ++found.rows;
    if (greatest<T>(expected, begin, classes) == greatest<T>(actual, begin, classes)) ++found.rows_agreed;
  }
}

}  // namespace

Agreement compare(std::span<const OutputTensor> expected, std::span<const OutputTensor> actual,
                  const Tolerance& tolerance) {
  Agreement found;
  for (const auto& wanted : expected) {
    const auto answer = std::ranges::find(actual, wanted.name, &OutputTensor::name);
    if (answer == actual.end() || answer->datatype != wanted.datatype ||
        !std::ranges::equal(answer->shape, wanted.shape) || answer->bytes.size() != wanted.bytes.size()) {
      found.agreed = false;
      continue;
    }
    with_element_type(wanted.datatype, [&]<class T>(T) {
      compare_numbers<T>(wanted, *answer, tolerance, found);
      if (wanted.shape.size() > 1 && wanted.shape.back() > 1) compare_rows<T>(wanted, *answer, found);
    });
  }
  return found;
}

}  // namespace pilotlight::front
