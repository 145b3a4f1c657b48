#pragma once

#include <concepts>
#include <stdfloat>

// FP16 and BF16 as C++ types.
namespace pilotlight::front {

#if defined(__STDCPP_FLOAT16_T__) && defined(__STDCPP_BFLOAT16_T__)
using Float16 = std::float16_t;
using BFloat16 = std::bfloat16_t;
#else  // Clang, of the fuzzers and clang-tidy, has the types, but not yet the standard's names and traits.
using Float16 = _Float16;
using BFloat16 = __bf16;
#endif

template <class T>
concept NarrowFloat = std::same_as<T, Float16> || std::same_as<T, BFloat16>;

}  // namespace pilotlight::front
