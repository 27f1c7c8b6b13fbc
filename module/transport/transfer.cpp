#include "transport/transfer.hpp"

#include <sys/socket.h>

#include <cstddef>
#include <system_error>
#include <utility>

#include "transport/identity.hpp"
#include "transport/status.hpp"

namespace estimatord {
namespace {

const char* url(Method method) {
  switch (method) {
    case Method::kEstimate:
      return "http://localhost/estimatord.agent.v1.Oversubscription/Estimate";
    case Method::kCorrections:
      return "http://localhost/estimatord.agent.v1.Oversubscription/"
             "Corrections";
  }
  return "";
}

TransferEnd transferEnd(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return TransferEnd::kWhole;
    // Bytes that are not HTTP/2 frames.
    case CURLE_HTTP2:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return TransferEnd::kGarbled;
    default:
      return TransferEnd::kBroken;
  }
}

}  // namespace

Transfer::Transfer(
    const ChannelOptions& options, Connection connection, std::string frame)
  : socket_(options.socket),
    connection_(connection),
    frame_(std::move(frame)),
    answer_(options.maxAnswerBytes) {}

bool Transfer::prepare(Method method, std::chrono::milliseconds timeout) {
  // An empty value takes out a header that libcurl would add by itself; it
  // would wait for the "100 Continue" that it expects for a large body.
  const std::string lines[] = {
      "content-type: application/grpc",
      "te: trailers",
      "grpc-timeout: " + formatTimeout(timeout),
      "estimatord-agent-id: " + agentId(),
      "user-agent: " + userAgent(),
      "accept:",
      "expect:"};
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
    if (longer == nullptr) {
      return false;
    }
    // The list is the same one, unless it was empty.
    static_cast<void>(headers_.release());
    headers_.reset(longer);
  }

  easy_.reset(curl_easy_init());
  CURL* const easy = easy_.get();
  if (easy == nullptr) {
    return false;
  }

  bool ok = true;
  const auto set = [&](CURLoption option, auto value) {
    ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK;
  };
  set(CURLOPT_PRIVATE, static_cast<void*>(this));
  set(CURLOPT_URL, url(method));
  set(CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::onOpenSocket);
  set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  if (connection_ == Connection::kNew) {
    set(CURLOPT_FRESH_CONNECT, 1L);
    set(CURLOPT_HTTP_VERSION,
        static_cast<long>(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
  } else {
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  }
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDS, frame_.data());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(frame_.size()));
  set(CURLOPT_HTTPHEADER, headers_.get());
  set(CURLOPT_HEADERFUNCTION, &Transfer::onHeader);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &Transfer::onBody);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(reason_));
  // No signal handlers and no SIGALRM in somebody else's process.
  set(CURLOPT_NOSIGNAL, 1L);
  // Nothing from the agent's environment: http_proxy does not apply.
  set(CURLOPT_PROXY, "");
  return ok;
}

bool Transfer::needsNewConnection(CURLcode code) const {
  return connection_ == Connection::kKept && code != CURLE_OK &&
         (wantedNewConnection_ || answer_.nothingCame());
}

Outcome Transfer::expire() {
  abandon();
  return answer_.finish(TransferEnd::kTimeout, "");
}

void Transfer::abandon() {
  curl_easy_setopt(easy_.get(), CURLOPT_FORBID_REUSE, 1L);
}

Outcome Transfer::finish(CURLcode code) {
  if (code == CURLE_COULDNT_CONNECT) {
    return answer_.finish(TransferEnd::kBroken, connectReason());
  }
  // libcurl fills the buffer in most cases only.
  const std::string reason =
      reason_[0] != '\0' ? reason_ : curl_easy_strerror(code);
  return answer_.finish(transferEnd(code), reason);
}

// libcurl's own words are about the host and port of the URL, which mean
// nothing here.
std::string Transfer::connectReason() const {
  std::string reason = "cannot connect to " + socket_;
  long error = 0;
  if (curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error) == CURLE_OK &&
      error != 0) {
    reason += ": " + std::generic_category().message(static_cast<int>(error));
  }
  return reason;
}

curl_socket_t Transfer::onOpenSocket(
    void* self, curlsocktype /* purpose */, curl_sockaddr* address) {
  Transfer* const transfer = static_cast<Transfer*>(self);
  if (transfer->connection_ == Connection::kKept) {
    transfer->wantedNewConnection_ = true;
    return CURL_SOCKET_BAD;
  }
  // libcurl's own socket() lacks SOCK_CLOEXEC: an executor forked by the agent
  // would inherit the connection and keep it open.
  return ::socket(
      address->family,
      address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
      address->protocol);
}

std::size_t Transfer::onHeader(
    char* data, std::size_t size, std::size_t count, void* self) {
  static_cast<Transfer*>(self)->answer_.header(data, size * count);
  return size * count;
}

std::size_t Transfer::onBody(
    char* data, std::size_t size, std::size_t count, void* self) {
  Transfer* const transfer = static_cast<Transfer*>(self);
  // Fewer bytes taken than given: libcurl ends the transfer.
  return transfer->answer_.body(data, size * count) ? size * count : 0;
}

}  // namespace estimatord
