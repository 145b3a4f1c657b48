#include "common/text/printable.h"

#include <gtest/gtest.h>

namespace pilotlight {
namespace {

TEST(PrintableTest, TextInAnyLanguageStaysAsItIs) {
  for (const std::string_view text : {"", "plain", "größe", "模型", "\xf0\x9f\x94\xa6"}) {
    EXPECT_TRUE(IsPrintable(text)) << text;
    EXPECT_EQ(Printable(text, 100), text);
  }
}

TEST(PrintableTest, WhatSteersATerminalIsShownAsAQuestionMark) {
  EXPECT_EQ(Printable("a\nb\x1b[2J\x7f", 100), "a?b?[2J?");
  EXPECT_EQ(Printable("\xc2\x9b", 100), "?") << "C1's own escape";
  EXPECT_FALSE(IsPrintable("\xc2\x9b"));
}

TEST(PrintableTest, BytesThatAreNoUtf8AreShownAsQuestionMarks) {
  for (const std::string_view text : {"\xff", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\x80"}) {
    EXPECT_FALSE(IsUtf8(text));
    EXPECT_FALSE(IsPrintable(text));
    EXPECT_EQ(Printable(text, 100), std::string(text.size(), '?'));
  }
}

TEST(PrintableTest, ControlCharactersAreUtf8) {
  EXPECT_TRUE(IsUtf8("a\n\xc2\x9b\x7f"));
}

TEST(PrintableTest, ItIsCutBetweenCharacters) {
  EXPECT_EQ(Printable("abcd", 4), "abcd");
  EXPECT_EQ(Printable("abcde", 4), "abcd…");
  EXPECT_EQ(Printable("abcß", 4), "abc…");
}

TEST(PrintableTest, LinesMayBeKept) {
  EXPECT_EQ(Printable("a\nb\tc", 100, "\n"), "a\nb?c");
}

TEST(PrintableTest, WhatIsQuotedLeavesRoomForTheSentence) {
  EXPECT_EQ(Quoted("a\"b"), "\"a\"b\"");
  EXPECT_LE(Quoted(std::string(100000, 'x')).size(), 90U);
}

}  // namespace
}  // namespace pilotlight
