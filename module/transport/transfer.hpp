// One call as a libcurl transfer.
#ifndef ESTIMATORD_TRANSPORT_TRANSFER_HPP
#define ESTIMATORD_TRANSPORT_TRANSFER_HPP

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "transport/answer.hpp"
#include "transport/channel.hpp"
#include "transport/outcome.hpp"

namespace estimatord {

struct CurlEasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct CurlListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Which connection a transfer may take. libcurl 7.88 writes a second connection
// preface when HTTP/2 by prior knowledge takes up a kept connection, and the
// peer hangs up (curl/curl#10634, mended in 8.0). A transfer that does not ask
// for prior knowledge is spared that, but would speak HTTP/1.1 on a connection
// that it opens. So each of the two is kept to what it does right.
enum class Connection { kKept, kNew };

class Transfer {
 public:
  Transfer(
      const ChannelOptions& options, Connection connection, std::string frame);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Sets the transfer up; false when libcurl refuses, out of memory mostly.
  bool prepare(Method method, std::chrono::milliseconds timeout);

  CURL* easy() const { return easy_.get(); }

  // Whether the call must be made again on a new connection: there was no kept
  // one, or the one there was broke before anything came back, as it does when
  // the daemon has restarted. Asking twice does no harm.
  bool needsNewConnection(CURLcode code) const;

  // Gives the frame back, for another transfer.
  std::string takeFrame() { return std::move(frame_); }

  // What became of the call, once libcurl says that the transfer is over.
  Outcome finish(CURLcode code);

  // The same when its time is up: whatever has come counts, and the connection
  // is closed with the transfer.
  Outcome expire();

  // Has the connection closed when the transfer is removed unfinished. The
  // daemon then sees that nobody waits, and a hung one is not called again on
  // the same connection.
  void abandon();

 private:
  static curl_socket_t onOpenSocket(
      void* self, curlsocktype purpose, curl_sockaddr* address);
  static std::size_t onHeader(
      char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t onBody(
      char* data, std::size_t size, std::size_t count, void* self);

  std::string connectReason() const;

  // libcurl points into these: they outlive easy_, which is destroyed first.
  const std::string socket_;
  const Connection connection_;
  bool wantedNewConnection_ = false;
  std::string frame_;
  Answer answer_;
  char reason_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<curl_slist, CurlListFree> headers_;
  std::unique_ptr<CURL, CurlEasyCleanup> easy_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_TRANSFER_HPP
