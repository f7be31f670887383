// Scalars as topologies spell them: "u32".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ringkernel/device/scalar.hpp"

namespace ringkernel {

inline constexpr std::array<std::string_view, 11> kScalarNames = {
    "bool", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64"};

std::string_view to_string(Scalar scalar);
std::optional<Scalar> scalar_from_string(std::string_view name);
uint32_t size_of(Scalar scalar);

}  // namespace ringkernel
