#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/wire/messages.h"

namespace pilotlight::wire {

// Every datatype, in the order of the enumeration.
std::span<const Datatype> all_datatypes();

// Whether the number, which may have come from the other process, is one of the datatypes.
bool is_datatype(Datatype type);

// Bytes of one element; 0 for a number that is no datatype.
std::uint32_t element_bytes(Datatype type);

// The Open Inference Protocol's name ("FP32"); "" for a number that is no datatype.
std::string_view datatype_name(Datatype type);
std::optional<Datatype> datatype_from_name(std::string_view name);
// "BOOL, UINT8, …": for error messages.
std::string datatype_names();

// Whether the datatype is one of the floating-point ones.
bool is_floating(Datatype type);

// The number of elements of a shape; nullopt if a dimension is negative or the product overflows.
std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape);

// The same with a dimension of zero counted as one: how many numbers and lists there are at most where the
// shape is written out. A tensor without elements can have any number of empty lists.
std::optional<std::uint64_t> written_count(std::span<const std::int64_t> shape);

// shape × datatype in bytes; nullopt as above, or for a number that is no datatype.
std::optional<std::uint64_t> byte_count(Datatype type, std::span<const std::int64_t> shape);

// "[-1,3,8]": for error messages.
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace pilotlight::wire
