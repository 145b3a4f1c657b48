#include "sidecar/engine/tolerance.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sidecar/wire/datatype.h"

namespace pilotlight::engine {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double default_for(wire::Datatype type) {
  switch (type) {
    case wire::Datatype::kFp16:
      return 1e-2;
    case wire::Datatype::kBf16:
      return 3e-2;
    default:
      return 1e-4;
  }
}

struct Element {
  double actual;
  double expected;
};

double error_of(const Element& element) {
  const auto [actual, expected] = element;
  if (std::isnan(expected)) return std::isnan(actual) ? 0 : kInfinity;
  if (std::isinf(expected)) return actual == expected ? 0 : kInfinity;
  return std::isfinite(actual) ? std::abs(actual - expected) : kInfinity;
}

double share_of(double error, double allowed) {
  if (error == 0) return 0;
  return allowed > 0 ? error / allowed : kInfinity;
}

std::vector<std::int64_t> index_of(std::int64_t flat, at::IntArrayRef sizes) {
  std::vector<std::int64_t> index(sizes.size());
  for (std::size_t i = sizes.size(); i-- > 0;) {
    index[i] = flat % sizes[i];
    flat /= sizes[i];
  }
  return index;
}

// Integers of 64 bits do not fit into a double, so they are subtracted as they are.
template <class Number>
double distance(Number actual, Number expected) {
  if constexpr (std::is_floating_point_v<Number>) {
    return error_of({.actual = actual, .expected = expected});
  } else {
    const auto [low, high] = std::minmax(actual, expected);
    return static_cast<double>(static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low));
  }
}

template <class Number>
Deviation worst_of(const at::Tensor& actual, const at::Tensor& expected, double scale,
                   const Tolerance& tolerance) {
  const auto type = c10::CppTypeToScalarType<Number>::value;
  const at::Tensor left = actual.to(type).contiguous();
  const at::Tensor right = expected.to(type).contiguous();
  const auto* a = left.const_data_ptr<Number>();
  const auto* e = right.const_data_ptr<Number>();
  Deviation worst;
  std::int64_t at = -1;
  for (std::int64_t i = 0; i < left.numel(); ++i) {
    const double error = distance(a[i], e[i]);
    const double size = std::abs(static_cast<double>(e[i]));
    const double allowed =
        tolerance.absolute * scale + tolerance.relative * (std::isfinite(size) ? size : 0.0);
    const double share = share_of(error, allowed);
    if (at >= 0 && share <= worst.share) continue;
    at = i;
    worst = {.index = {},
             .expected = static_cast<double>(e[i]),
             .actual = static_cast<double>(a[i]),
             .error = error,
             .allowed = allowed,
             .share = share};
  }
  if (at >= 0) worst.index = index_of(at, expected.sizes());
  return worst;
}

}  // namespace

Tolerance tolerance_for(wire::Datatype type, const wire::LoadRequest& request, const Manifest& manifest) {
  if (!wire::is_floating(type)) return {};
  const double fallback = default_for(type);
  const bool spec = request.absolute_tolerance || request.relative_tolerance;
  const bool bundle = manifest.absolute_tolerance || manifest.relative_tolerance;
  const auto first = [fallback](const std::optional<double>& users, const std::optional<double>& bundles) {
    return users ? *users : bundles.value_or(fallback);
  };
  return {.absolute = first(request.absolute_tolerance, manifest.absolute_tolerance),
          .relative = first(request.relative_tolerance, manifest.relative_tolerance),
          .source = spec     ? "spec"
                    : bundle ? "bundle"
                             : "default"};
}

Deviation compare(const at::Tensor& actual, const at::Tensor& expected, double scale,
                  const Tolerance& tolerance) {
  if (expected.is_floating_point()) return worst_of<double>(actual, expected, scale, tolerance);
  return worst_of<std::int64_t>(actual, expected, scale, tolerance);
}

double scale_of(const at::Tensor& expected) {
  if (expected.numel() == 0) return 0;
  return expected.to(at::kDouble).nan_to_num(0, 0, 0).abs().max().item<double>();
}

}  // namespace pilotlight::engine
