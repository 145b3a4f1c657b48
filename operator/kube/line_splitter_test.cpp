#include "operator/kube/line_splitter.h"

#include <gmock/gmock.h>

#include <vector>

namespace pilotlight::kube {
namespace {

using testing::ElementsAre;

class LineSplitterTest : public testing::Test {
 protected:
  LineSplitter::Outcome Feed(std::string_view bytes) {
    return splitter_.Feed(bytes, [this](std::string_view line) {
      lines_.emplace_back(line);
      return line != "stop";
    });
  }
  LineSplitter splitter_{8};
  std::vector<std::string> lines_;
};

TEST_F(LineSplitterTest, LinesAreTheSameHoweverTheyAreCut) {
  const std::string text = "one\ntwo\n\nthree\nrest";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    LineSplitter splitter(100);
    std::vector<std::string> lines;
    const auto sink = [&](std::string_view line) {
      lines.emplace_back(line);
      return true;
    };
    splitter.Feed(text.substr(0, first), sink);
    splitter.Feed(text.substr(first), sink);
    EXPECT_THAT(lines, ElementsAre("one", "two", "three")) << first;
  }
}

TEST_F(LineSplitterTest, ALineThatIsTooLongIsRefusedHoweverItComes) {
  EXPECT_EQ(Feed("12345678\n"), LineSplitter::Outcome::Ok);
  EXPECT_EQ(Feed("123456789\n"), LineSplitter::Outcome::TooLong);
  EXPECT_EQ(Feed("12345"), LineSplitter::Outcome::Ok);
  EXPECT_EQ(Feed("6789"), LineSplitter::Outcome::TooLong);
}

TEST_F(LineSplitterTest, TheSinkCanEndIt) {
  EXPECT_EQ(Feed("a\nstop\nb\n"), LineSplitter::Outcome::Stopped);
  EXPECT_THAT(lines_, ElementsAre("a", "stop"));
}

}  // namespace
}  // namespace pilotlight::kube
