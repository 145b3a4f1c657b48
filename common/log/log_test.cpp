#include "common/log/log.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace pilotlight::log {
namespace {

class LogTest : public testing::Test {
 protected:
  void Catch(Level level) {
    Configure({.level = level, .sink = [this](std::string_view line) {
                 lines_.push_back(nlohmann::json::parse("{" + std::string(line)));
               }});
  }
  void TearDown() override { Configure({}); }
  std::vector<nlohmann::json> lines_;
};

TEST_F(LogTest, FieldsKeepTheirTypes) {
  Catch(Level::Info);
  Info("Wrote",
       {{"name", "a"}, {"count", 3}, {"ok", true}, {"seconds", 0.5}, {"rv", 18446744073709551615ULL}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(lines_[0], (nlohmann::json{{"msg", "Wrote"},
                                       {"name", "a"},
                                       {"count", 3},
                                       {"ok", true},
                                       {"seconds", 0.5},
                                       {"rv", 18446744073709551615ULL}}));
}

TEST_F(LogTest, LinesBelowTheLevelAreDropped) {
  Catch(Level::Warn);
  Info("no");
  Warn("yes");
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(lines_[0]["msg"], "yes");
}

TEST_F(LogTest, QuotesNewlinesAndBrokenUtf8StayInsideTheirLine) {
  Catch(Level::Info);
  Info("a\"b\nc {} %v", {{"k", "\xff"}});
  ASSERT_EQ(lines_.size(), 1U);
  EXPECT_EQ(lines_[0]["msg"], "a\"b\nc {} %v");
  EXPECT_EQ(lines_[0]["k"], "\xef\xbf\xbd");
}

TEST_F(LogTest, BoundFieldsAreOnEveryLine) {
  Catch(Level::Info);
  const Logger logger = Logger().With({{"reconcileID", "r1"}}).With({{"name", "n"}});
  logger.Info("one");
  logger.Error("two", {{"error", "e"}});
  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_EQ(lines_[0]["reconcileID"], "r1");
  EXPECT_EQ(lines_[1]["reconcileID"], "r1");
  EXPECT_EQ(lines_[1]["name"], "n");
  EXPECT_EQ(lines_[1]["error"], "e");
}

}  // namespace
}  // namespace pilotlight::log
