#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pilotlight::http {

struct Field {
  std::string_view name;
  std::string_view value;
};

// A request as a handler sees it. The views stay valid for as long as the request does.
struct Request {
  std::string_view method;
  std::string_view target;  // as sent: "/v2/models/m?x=1"
  std::string_view path;    // without the query, still percent-encoded; see path_segments()
  std::string_view query;   // after the '?', or empty
  std::vector<Field> fields;
  std::string body;
  std::string_view peer;          // the client's address, without the port
  std::string_view certificate;   // over TLS: "sha256:…" of the client's, in DER; empty: it showed none
  std::shared_ptr<void> context;  // the service's own, from admit() to finish()

  // The first field of that name (any case), or an empty view.
  std::string_view field(std::string_view name) const;
  std::size_t count(std::string_view name) const;
};

struct Response {
  unsigned status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> fields = {};
  bool close = false;  // end the connection after this answer
};

// {"error": message}, the error document of the Open Inference Protocol.
Response error(unsigned status, std::string_view message);

// The path's segments, percent-decoded once; empty when the path is not one that we could have handed out: a
// segment that is empty, "." or "..", longer than 128 bytes, or holds anything outside [A-Za-z0-9_.-].
// "/" is one empty list; use valid to tell it from a bad path.
struct Segments {
  bool valid = false;
  std::vector<std::string> names;
};
Segments path_segments(std::string_view path);

bool same_name(std::string_view a, std::string_view b);  // field names: ASCII, any case

}  // namespace pilotlight::http
