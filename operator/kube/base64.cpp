#include "operator/kube/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace pilotlight::kube {

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::vector<unsigned char> in;
  std::ranges::copy_if(text, std::back_inserter(in),
                       [](char c) { return c != ' ' && c != '\n' && c != '\r' && c != '\t'; });
  if (in.empty() || in.size() % 4 != 0) return std::nullopt;
  std::string out(in.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), in.data(), static_cast<int>(in.size()));
  if (size < 0) return std::nullopt;
  // OpenSSL counts the padding as bytes.
  const auto padding = std::count(in.end() - 2, in.end(), '=');
  out.resize(static_cast<std::size_t>(size - padding));
  return out;
}

}  // namespace pilotlight::kube
