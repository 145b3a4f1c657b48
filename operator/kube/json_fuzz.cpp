// A watch's bytes: lines, events, lists and identities.

#include <algorithm>
#include <tuple>

#include "common/fuzz/fuzz.h"
#include "operator/kube/json.h"
#include "operator/kube/line_splitter.h"

namespace pilotlight::fuzz {
namespace {

constexpr std::size_t kMostLine = 4096;

std::vector<std::string> lines_of(std::string_view text, std::size_t piece, bool& too_long) {
  kube::LineSplitter splitter(kMostLine);
  std::vector<std::string> lines;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    const auto done = splitter.Feed(text.substr(0, piece), [&](std::string_view line) {
      require(!line.empty() && line.size() <= kMostLine && !line.contains('\n'), "a line is one line");
      lines.emplace_back(line);
      return true;
    });
    too_long = too_long || done == kube::LineSplitter::Outcome::TooLong;
    if (too_long) break;
  }
  return lines;
}

void check_inside(kube::Json item, const kube::JsonBuffer& whole) {
  const auto text = whole.view().text;
  require(item.text.data() >= text.data() && item.text.data() + item.text.size() <= text.data() + text.size(),
          "an object lies in its line");
  require(item.text.data() + item.capacity <= text.data() + whole.view().capacity,
          "an object's padding is its line's");
  std::ignore = kube::ReadIdentity(item);
}

void check_error(const std::string& error) {
  require(presentable(error, 512), "an error can be shown");
}

}  // namespace

void run(std::string_view input) {
  bool long_whole = false;
  bool long_pieces = false;
  const auto lines = lines_of(input, input.size() + 1, long_whole);
  const auto pieces = lines_of(input, 7, long_pieces);
  require(long_whole == long_pieces && lines == pieces, "the pieces of a stream do not matter");
  for (const std::string& line : lines) {
    const kube::JsonBuffer buffer(line);
    if (const auto event = kube::ReadWatchEvent(buffer.view())) {
      check_inside(event->object, buffer);
    } else {
      check_error(event.error());
    }
  }
  const kube::JsonBuffer buffer{std::string(input)};
  if (const auto list = kube::ReadList(buffer.view(), [&](kube::Json item) { check_inside(item, buffer); });
      !list) {
    check_error(list.error());
  }
  if (const auto identity = kube::ReadIdentity(buffer.view()); !identity) check_error(identity.error());
}

std::vector<std::string> seeds() {
  const std::string object =
      R"({"kind":"Pod","metadata":{"name":"a","namespace":"b","uid":"c","resourceVersion":"12","deletionTimestamp":"x"}})";
  return {R"({"type":"ADDED","object":)" + object + "}\n" + R"({"object":)" + object +
              R"(,"type":"BOOKMARK"})" + "\n\n" + R"({"kind":"Status","code":410})" + "\n",
          R"({"metadata":{"resourceVersion":"7","continue":"x"},"items":[)" + object + "," + object + "]}",
          R"({"items":null,"metadata":{}})", object};
}

}  // namespace pilotlight::fuzz
