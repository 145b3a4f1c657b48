#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>

namespace pilotlight::front {

// Hands out pieces of a range of the arena, first fit, aligned to 64 bytes. Not thread-safe.
class ArenaHeap {
 public:
  // A piece; gives itself back. The heap must outlive it.
  class Block {
   public:
    Block() = default;
    Block(Block&& other) noexcept
        : heap_(std::exchange(other.heap_, nullptr)), offset_(other.offset_), size_(other.size_) {}
    Block& operator=(Block&& other) noexcept {
      std::swap(heap_, other.heap_);
      std::swap(offset_, other.offset_);
      std::swap(size_, other.size_);
      return *this;
    }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block();

    std::uint64_t offset() const { return offset_; }  // from the arena's start
    std::span<std::byte> bytes() const;

   private:
    friend class ArenaHeap;
    Block(ArenaHeap& heap, std::uint64_t offset, std::uint64_t size)
        : heap_(&heap), offset_(offset), size_(size) {}

    ArenaHeap* heap_ = nullptr;
    std::uint64_t offset_ = 0;
    std::uint64_t size_ = 0;
  };

  // Of [begin, begin + size) of the arena.
  ArenaHeap(std::span<std::byte> arena, std::uint64_t begin, std::uint64_t size);

  // Nothing if there is no room now; see size() for whether there ever can be.
  std::optional<Block> allocate(std::uint64_t bytes);
  std::uint64_t size() const { return size_; }

 private:
  void release(std::uint64_t offset, std::uint64_t bytes);

  std::span<std::byte> arena_;
  std::uint64_t size_;
  std::map<std::uint64_t, std::uint64_t> free_;  // offset → bytes; neighbours are merged
};

}  // namespace pilotlight::front
