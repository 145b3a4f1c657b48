#include "operator/kube/credentials.h"

#include <openssl/evp.h>

#include <fstream>
#include <mutex>
#include <sstream>

#include "common/log/log.h"
#include "common/time/clock.h"
#include "operator/kube/exec_plugin.h"

namespace pilotlight::kube {
namespace {

constexpr std::chrono::minutes kReadAgain{1};
constexpr std::chrono::seconds kEarly{10};

std::string Base64(const std::string& text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

class Fixed final : public Credentials {
 public:
  explicit Fixed(std::string header) : header_(std::move(header)) {}
  std::expected<std::string, std::string> Header() override { return header_; }
  bool Refused() override { return false; }

 private:
  const std::string header_;
};

class TokenFile final : public Credentials {
 public:
  TokenFile(std::string path, Clock& clock) : path_(std::move(path)), clock_(clock) {}

  std::expected<std::string, std::string> Header() override {
    const std::scoped_lock lock(mutex_);
    if (token_.empty() || clock_.Monotonic() >= next_read_) Read();
    if (token_.empty()) return std::unexpected("token file " + path_ + ": cannot be read, or is empty");
    return "Bearer " + token_;
  }

  bool Refused() override {
    const std::scoped_lock lock(mutex_);
    Read();
    return true;
  }

 private:
  void Read() {
    next_read_ = clock_.Monotonic() + kReadAgain;
    std::ifstream in(path_);
    std::string token;
    if (in >> token) {
      token_ = token;
    } else if (!token_.empty()) {
      log::Warn("Failed to read token file; going on with the last token", {{"path", path_}});
    }
  }

  const std::string path_;
  Clock& clock_;
  std::mutex mutex_;
  std::string token_;
  Clock::Instant next_read_;
};

class FromPlugin final : public Credentials {
 public:
  FromPlugin(ExecPlugin plugin, Clock& clock) : plugin_(std::move(plugin)), clock_(clock) {}

  std::expected<std::string, std::string> Header() override {
    const std::scoped_lock lock(mutex_);
    if (token_.empty() || (expires_ && clock_.Now() + kEarly >= *expires_)) {
      auto credential = RunExecPlugin(plugin_);
      if (!credential) return std::unexpected(credential.error());
      token_ = std::move(credential->token);
      expires_ = credential->expires;
    }
    return "Bearer " + token_;
  }

  bool Refused() override {
    const std::scoped_lock lock(mutex_);
    token_.clear();
    return true;
  }

 private:
  const ExecPlugin plugin_;
  Clock& clock_;
  std::mutex mutex_;
  std::string token_;
  std::optional<Clock::Wall> expires_;
};

}  // namespace

std::unique_ptr<Credentials> MakeCredentials(const Config& config, Clock& clock) {
  if (!config.token_file.empty()) return std::make_unique<TokenFile>(config.token_file, clock);
  if (!config.token.empty()) return std::make_unique<Fixed>("Bearer " + config.token);
  if (config.exec) return std::make_unique<FromPlugin>(*config.exec, clock);
  if (!config.username.empty()) {
    return std::make_unique<Fixed>("Basic " + Base64(config.username + ":" + config.password));
  }
  return std::make_unique<Fixed>("");
}

}  // namespace pilotlight::kube
