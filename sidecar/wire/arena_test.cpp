#include "sidecar/wire/arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace pilotlight::wire {
namespace {

TEST(Arena, IsSharedByBothMappings) {
  auto mine = Arena::create(10'000);
  ASSERT_TRUE(mine) << mine.error().message();
  EXPECT_EQ(mine->size() % 4096, 0U);
  EXPECT_GE(mine->size(), 10'000U);
  auto theirs = Arena::map(UniqueFd(::dup(mine->fd())));
  ASSERT_TRUE(theirs) << theirs.error().message();
  ASSERT_EQ(theirs->size(), mine->size());
  mine->bytes()[9'999] = std::byte{7};
  EXPECT_EQ(theirs->bytes()[9'999], std::byte{7});
}

TEST(Arena, CanNeitherShrinkNorGrowNorLoseItsSeals) {
  const auto arena = Arena::create(8192);
  ASSERT_TRUE(arena);
  EXPECT_NE(::ftruncate(arena->fd(), 4096), 0);
  EXPECT_NE(::ftruncate(arena->fd(), 1 << 20), 0);
  EXPECT_NE(::fcntl(arena->fd(), F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(Arena, RefusesAMemfdWithoutSeals) {
  UniqueFd fd(::memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  const auto arena = Arena::map(std::move(fd));
  ASSERT_FALSE(arena);
  EXPECT_EQ(arena.error(), std::errc::permission_denied);
}

TEST(Arena, RefusesSizesThatCannotBe) {
  EXPECT_FALSE(Arena::create(0));
  EXPECT_FALSE(Arena::create(UINT64_MAX));
}

TEST(Arena, DiscardedPagesReadAsZerosAndTheirNeighboursStay) {
  const auto arena = Arena::create(3 * 4096);
  ASSERT_TRUE(arena);
  for (auto& byte : arena->bytes()) byte = std::byte{1};
  arena->discard(100, 2 * 4096);  // holds one whole page: the second
  EXPECT_EQ(arena->bytes()[4095], std::byte{1});
  EXPECT_EQ(arena->bytes()[4096], std::byte{0});
  EXPECT_EQ(arena->bytes()[8191], std::byte{0});
  EXPECT_EQ(arena->bytes()[8192], std::byte{1});
}

}  // namespace
}  // namespace pilotlight::wire
