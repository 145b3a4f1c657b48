#include "sidecar/front/arena_heap.h"

#include <algorithm>
#include <iterator>

namespace pilotlight::front {
namespace {

constexpr std::uint64_t kAlignment = 64;

// Also for nothing at all: each block then has a place of its own.
std::uint64_t padded(std::uint64_t bytes) {
  return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

ArenaHeap::Block::~Block() {
  if (heap_ != nullptr) heap_->release(offset_, size_);
}

std::span<std::byte> ArenaHeap::Block::bytes() const {
  return heap_ == nullptr ? std::span<std::byte>() : heap_->arena_.subspan(offset_, size_);
}

ArenaHeap::ArenaHeap(std::span<std::byte> arena, std::uint64_t begin, std::uint64_t size)
    : arena_(arena), size_(size / kAlignment * kAlignment), free_{{begin, size_}} {}

std::optional<ArenaHeap::Block> ArenaHeap::allocate(std::uint64_t bytes) {
  if (bytes > size_) return std::nullopt;
  const auto need = padded(bytes);
  const auto found = std::ranges::find_if(free_, [&](const auto& piece) { return piece.second >= need; });
  if (found == free_.end()) return std::nullopt;
  const auto [offset, had] = *found;
  free_.erase(found);
  if (had > need) free_.emplace(offset + need, had - need);
  return Block(*this, offset, bytes);
}

void ArenaHeap::release(std::uint64_t offset, std::uint64_t bytes) {
  auto at = free_.emplace(offset, padded(bytes)).first;
  if (const auto next = std::next(at); next != free_.end() && at->first + at->second == next->first) {
    at->second += next->second;
    free_.erase(next);
  }
  if (at == free_.begin()) return;
  const auto before = std::prev(at);
  if (before->first + before->second == at->first) {
    before->second += at->second;
    free_.erase(at);
  }
}

}  // namespace pilotlight::front
