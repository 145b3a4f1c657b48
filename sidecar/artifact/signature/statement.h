#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace pilotlight::signature {

// A file that a statement speaks of.
struct Subject {
  std::string name;    // the signer's name for it; may be empty
  std::string sha256;  // in hexadecimal; empty: the statement gives another kind of digest
};

// The subjects of an in-toto statement, v1 or v0.1 (https://in-toto.io/Statement/v1); what is said of them,
// the predicate, may be anything. The error says what it lacks, as the end of a sentence. Thread-safe: no
// state.
std::expected<std::vector<Subject>, std::string> parse_statement(std::string_view text);

}  // namespace pilotlight::signature
