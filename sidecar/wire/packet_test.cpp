#include "sidecar/wire/packet.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace pilotlight::wire {
namespace {

class Packets : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = socket_pair(SOCK_NONBLOCK);
    ASSERT_TRUE(pair) << pair.error().message();
    left_ = std::move(pair->first);
    right_ = std::move(pair->second);
  }

  UniqueFd left_;
  UniqueFd right_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kMaxPacketBytes);
};

TEST_F(Packets, CarryADocumentAndDescriptors) {
  const UniqueFd memory(::memfd_create("model", MFD_CLOEXEC));
  ASSERT_EQ(::write(memory.get(), "hello", 5), 5);
  const int descriptors[] = {memory.get(), memory.get()};
  ASSERT_TRUE(send_json(left_.get(), Kind::kLoad, {{"digest", "sha256:9f"}}, descriptors));

  const auto received = receive_packet(right_.get(), buffer_);
  ASSERT_TRUE(received) << received.error().message();
  const auto packet = std::span<const std::byte>(buffer_).first(received->bytes);
  EXPECT_EQ(packet_kind(packet), Kind::kLoad);
  EXPECT_EQ(packet_json(packet).value().at("digest"), "sha256:9f");
  ASSERT_EQ(received->descriptors.size(), 2U);
  char text[5] = {};
  EXPECT_EQ(::pread(received->descriptors[1].get(), text, 5, 0), 5);
  EXPECT_EQ(std::string_view(text, 5), "hello");
  EXPECT_NE(::fcntl(received->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Packets, OfTheLargestSizePass) {
  const std::vector<std::byte> large(kMaxPacketBytes, std::byte{5});
  const auto sent = send_packet(left_.get(), large);
  ASSERT_TRUE(sent) << sent.error().message();
  const auto received = receive_packet(right_.get(), buffer_);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes, kMaxPacketBytes);
}

TEST_F(Packets, AboveTheLargestSizeAreNotSent) {
  const auto sent = send_packet(left_.get(), std::vector<std::byte>(kMaxPacketBytes + 1));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error(), std::errc::message_size);
}

TEST_F(Packets, CutOffAreAnErrorAndBringNothing) {
  const int descriptors[] = {left_.get()};
  ASSERT_TRUE(send_packet(left_.get(), std::vector<std::byte>(100), descriptors));
  std::vector<std::byte> small(99);
  const auto received = receive_packet(right_.get(), small);
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error(), std::errc::message_size);
}

TEST_F(Packets, NothingThereIsWouldBlockAndAClosedEndIsNoBytes) {
  const auto nothing = receive_packet(right_.get(), buffer_);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error(), std::errc::operation_would_block);
  left_.reset();
  const auto closed = receive_packet(right_.get(), buffer_);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->bytes, 0U);
}

TEST_F(Packets, ToAClosedEndAreAnErrorAndNoSignal) {
  right_.reset();
  const auto sent = send_packet(left_.get(), std::vector<std::byte>(4));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error(), std::errc::broken_pipe);
}

TEST_F(Packets, TextThatIsNotUtf8IsReplaced) {
  ASSERT_TRUE(send_json(left_.get(), Kind::kFailed, {{"message", "\xff\xfe"}}));
  const auto received = receive_packet(right_.get(), buffer_);
  ASSERT_TRUE(received);
  EXPECT_TRUE(packet_json(std::span<const std::byte>(buffer_).first(received->bytes)));
}

TEST(PacketJson, RefusesWhatIsNoDocument) {
  const auto packet = [](std::string_view text) {
    const std::string bytes = std::string(4, '\1').append(text);
    return packet_json(std::as_bytes(std::span(bytes))).has_value();
  };
  EXPECT_TRUE(packet("{}"));
  EXPECT_FALSE(packet(""));
  EXPECT_FALSE(packet("[]"));
  EXPECT_FALSE(packet("{} x"));
  EXPECT_FALSE(packet_json(std::vector<std::byte>(3)));
  EXPECT_FALSE(packet_kind(std::vector<std::byte>(3)));
}

TEST(PacketJson, RefusesWhatIsTooDeepToBeWrittenAgain) {
  const auto nested = [](std::size_t depth) {
    const std::string bytes =
        std::string(4, '\1') + R"({"proof":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
    return packet_json(std::as_bytes(std::span(bytes)));
  };
  EXPECT_TRUE(nested(8));
  for (const std::size_t depth : {100, 60'000}) {
    ASSERT_FALSE(nested(depth));
    EXPECT_THAT(nested(depth).error(), testing::HasSubstr("nested deeper than 32 levels"));
  }
}

}  // namespace
}  // namespace pilotlight::wire
