// One call as a libcurl transfer.
#ifndef ESTIMATORD_TRANSPORT_TRANSFER_HPP
#define ESTIMATORD_TRANSPORT_TRANSFER_HPP

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <string>

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

class Transfer {
 public:
  Transfer(const ChannelOptions& options, std::string frame);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Sets the transfer up; false when libcurl refuses, out of memory mostly.
  bool prepare(
      const std::string& socket,
      Method method,
      std::chrono::milliseconds timeout);

  CURL* easy() const { return easy_.get(); }

  // What became of the call, once libcurl says that the transfer is over.
  Outcome finish(CURLcode code);

 private:
  static std::size_t onHeader(
      char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t onBody(
      char* data, std::size_t size, std::size_t count, void* self);

  // libcurl points into these: they outlive easy_, which is destroyed first.
  const std::string frame_;
  Answer answer_;
  char reason_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<curl_slist, CurlListFree> headers_;
  std::unique_ptr<CURL, CurlEasyCleanup> easy_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_TRANSFER_HPP
